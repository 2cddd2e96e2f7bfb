"""The book in a browser."""

from collections.abc import Iterator

import pytest

from opened import Book, opened


@pytest.fixture(scope="session")
def book() -> Iterator[Book]:
    with opened() as found:
        yield found
