"""The tiny book, before and after a build."""

import shutil
from pathlib import Path

import pytest

from poly.press import build
from small_book import make_book


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the book once; tests read it or copy it, and leave it as it is."""
    root = make_book(tmp_path_factory.mktemp("finished"))
    build.build(root)
    return root


@pytest.fixture
def built(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the built book, which a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "book", copy_function=shutil.copy2))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Make the book, without building it."""
    return make_book(tmp_path)
