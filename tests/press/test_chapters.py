"""Pages and files of the book: how they are read and written."""

from pathlib import Path

import pytest

from poly.press import chapters
from poly.press.chapters import PressError


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    path, left = tmp_path / "a[1].txt", tmp_path / f"a[1].txt.{'0' * 32}.tmp"
    left.write_text("half")
    chapters.atomic_write(path, "whole")
    assert [each.name for each in tmp_path.iterdir()] == ["a[1].txt"]


@pytest.mark.parametrize("text", ["", "[", "5", "null", "[1]", "{}", '{"cells": []}', "[" * 100_000, "\ufeff{}"])
def test_a_file_that_is_no_notebook_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "01-one.ipynb"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PressError, match=r"^01-one.ipynb is not a valid notebook: ") as caught:
        chapters.read_notebook(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
