"""Before any test, of code or of a chapter: the package that is tested is this checkout's."""

import pytest

from poly.press import checkout


def pytest_configure(config: pytest.Config) -> None:
    if line := checkout.foreign(config.rootpath):
        raise pytest.UsageError(line)
