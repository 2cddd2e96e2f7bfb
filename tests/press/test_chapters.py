"""Pages and chapters of the book: how they are read."""

from pathlib import Path

import pytest

from poly.press import chapters
from poly.press.chapters import PressError


@pytest.mark.parametrize("text", ["", "[", "5", "null", "[1]", "{}", '{"cells": []}', "[" * 100_000, "\ufeff{}"])
def test_a_file_that_is_no_notebook_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "01-one.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PressError, match=r"^01-one.ipynb is not a valid notebook: ") as caught:
        chapters.read_notebook(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
