"""The book, opened in a browser once for all tests."""

from collections.abc import Iterator

import pytest

from opened import Book, opened


@pytest.fixture(scope="session")
def book() -> Iterator[Book]:
    with opened() as found:
        yield found
