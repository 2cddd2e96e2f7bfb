"""Test the comparison with another commit's book: all that is gone or has another value is listed."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from notebooks import notebook
from poly.press.chapters import PressError
from poly.press.check import unchanged
from poly.press.check.unchanged import Facts
from poly.press.text_comparison import GLUED
from small_book import edit, make_book, write


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Make a committed book with a value, a claim and a figure in its second chapter."""
    root = make_book(tmp_path / "book of one")
    write(root / "book/02-two.ipynb", stored())
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    return root


def stored(text: str = "12", **changes: Any) -> Any:
    found = notebook(text, **changes)
    output = {
        "output_type": "display_data",
        "metadata": {"scrapbook": {"name": "share"}},
        "data": {GLUED: f"'{text}.50 (−1 to {text})'"},
    }
    found.cells[0].outputs.append(type(found.cells[0])(output))
    return found


def test_an_untouched_book_is_unchanged(book: Path) -> None:
    assert unchanged.unchanged(book, "HEAD") == []


def test_what_moved_to_another_chapter_is_unchanged(book: Path) -> None:
    (book / "book/02-two.ipynb").rename(book / "book/09-nine.ipynb")
    edit(book / "_toc.yml", "book/02-two", "book/09-nine")
    assert unchanged.unchanged(book, "HEAD") == ["address book/02-two.html is gone"]


def test_other_values_are_told(book: Path) -> None:
    write(book / "book/02-two.ipynb", stored("13", value=1.5, verdict="open"))
    edit(book / "book/index.md", "# Tiny", "(tiny)=\n# Tiny")
    found = unchanged.unchanged(book, "HEAD")
    assert "value share was '12.50 (−1 to 12)', is '13.50 (−1 to 13)'" in found
    assert any(line.startswith("figure fig-a, y plots other numbers") for line in found)
    assert any(line.startswith("claim A: verdict was ") for line in found)
    git(book, "commit", "-qam", "two")
    edit(book / "book/index.md", "(tiny)=\n# Tiny", "# Tiny")
    assert unchanged.unchanged(book, "HEAD") == ["address tiny is gone"]


def test_what_is_gone_is_told_and_what_is_new_is_not() -> None:
    old = Facts({"a": "1"}, {"f, x": np.zeros(2)}, {"C1": {"verdict": "open"}}, {"p.html"})
    none = Facts({}, {}, {}, set())
    assert unchanged.differences(none, old) == []
    assert unchanged.differences(old, none) == [
        "address p.html is gone",
        "claim C1 is gone",
        "figure f, x is gone",
        "value a is gone",
    ]
    assert unchanged.differences(old, old._replace(series={"f, x": np.array([0, np.nan])})) == [
        "figure f, x plots other numbers"
    ]


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("0.75 (0.70 to 0.80)", "0.75 (0.70 to 0.80)", True),
        ("0.753", "0.75", True),
        ("0.75", "0.7531", True),
        ("0.75", "0.76", False),
        ("0.753", "0.76", False),
        ("4,096 of 12", "4096 of 12", True),
        ("−0.5", "0.5", False),
        ("12 rows", "12 columns", False),
        ("1e-5", "1.2e-5", True),
        ("12", "12 to 13", False),
    ],
)
def test_numbers_are_compared_at_the_coarser_rounding(before: str, after: str, same: bool) -> None:
    assert unchanged.same_text(before, after) is same


@pytest.mark.parametrize("base", ["nothing", "--output=packed", ""])
def test_a_commit_that_is_none_is_one_line(base: str, book: Path) -> None:
    with pytest.raises(PressError, match=rf"^unchanged: BASE={base}: "):
        unchanged.unchanged(book, base)
    assert not (book / "packed").exists()
