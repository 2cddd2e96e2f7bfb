"""The tiny book, built and not yet built."""

import shutil
from pathlib import Path

import pytest

from poly.press import build
from small_book import make_book


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book that was built once; tests read it or copy it, and leave it as it is."""
    root = make_book(tmp_path_factory.mktemp("finished"))
    build.build(root)
    return root


@pytest.fixture
def built(finished: Path, tmp_path: Path) -> Path:
    """A copy of the built book, for changing."""
    return Path(shutil.copytree(finished, tmp_path / "book", copy_function=shutil.copy2))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The book before any build."""
    return make_book(tmp_path)
