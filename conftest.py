"""Before any test, of code or of a chapter: the package that is tested is this checkout's."""

import pytest

from poly.press import own


def pytest_configure(config: pytest.Config) -> None:
    if line := own.foreign(config.rootpath):
        raise pytest.UsageError(line)
