"""A chapter from the template: it is listed, has a claim, and runs."""

import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest
import yaml

from poly.press import claims, new
from poly.press.chapters import PressError, find_chapters, read_notebook, read_pages
from poly.press.claims import rules

TOC = """format: jb-book
root: book/index
parts:
  - caption: The story
    chapters:
      - file: book/01-one
  - caption: At the back
    chapters:
      - file: book/last
"""
DAY = "2026-11-29"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "book").mkdir()
    (tmp_path / new.TOC).write_text(TOC, encoding="utf-8")
    for name in ("index", "01-one", "last"):
        (tmp_path / "book" / f"{name}.md").write_text(f"# {name}\n", encoding="utf-8")
    return tmp_path


def test_a_chapter_is_listed_behind_the_last_one_and_an_appendix_behind_the_appendices(root: Path) -> None:
    for name in ("appendix-one", "02-two", "appendix-two"):
        new.new(root, name, DAY)
    pages = read_pages(root)
    assert [page.name for page in pages] == ["index", "01-one", "02-two", "appendix-one", "appendix-two", "last"]
    assert [page.name for page in find_chapters(pages, [])] == ["02-two", "appendix-one", "appendix-two"]


def test_its_claim_has_a_free_id_and_keeps_the_rule(root: Path) -> None:
    new.new(root, "appendix-one", DAY)
    told = new.new(root, "appendix-two", DAY)
    found = claims.load(root / new.ENTRIES)
    assert {name: claim.chapter for name, claim in found.items()} == {"Q1": "appendix-one", "Q2": "appendix-two"}
    assert not [fault for claim in found.values() for fault in rules.faults(claim, found)]
    assert told[0] == "wrote book/appendix-two.ipynb, and claim Q2 in book/claims.yml"


def test_entries_and_comments_that_are_there_stay(root: Path) -> None:
    before = "# The ledger.\n\nQ1: {statement: first}\n"
    (root / new.ENTRIES).write_text(before, encoding="utf-8")
    new.new(root, "appendix-one", DAY)
    text = (root / new.ENTRIES).read_text(encoding="utf-8")
    assert text.startswith(before + "\nQ2:\n")
    assert list(yaml.safe_load(text)) == ["Q1", "Q2"]


def test_it_runs_as_it_is(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new.new(root, "appendix-my-check", DAY)
    notebook = read_notebook(root / "book" / "appendix-my-check.ipynb")
    assert "# My check" in notebook.cells[0].source
    assert not re.search("NAME|CLAIM|TITLE|DAY", nbformat.writes(notebook))  # type: ignore[no-untyped-call]
    monkeypatch.chdir(root / "book")
    names: dict[str, Any] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 10
            assert max(map(len, cell.source.splitlines())) <= 84
            exec(cell.source, names)
            if "parameters" in cell.metadata.get("tags", []):
                names |= cell.metadata["poly"]["small"]
    plt.close("all")
    assert names["counts"].shape == (8,)
    assert names["found"][1] < names["found"][0] < names["found"][2]


@pytest.mark.parametrize("name", ["", "Bad", "my check", "../x", "a--b", "-a", "a/b", "a.b", "größe"])
def test_a_name_that_fits_no_address_is_refused(root: Path, name: str) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(PressError, match="must be words of small letters and digits"):
        new.new(root, name, DAY)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_page_that_is_there_stays(root: Path) -> None:
    for name in ("01-one", "last"):
        with pytest.raises(PressError, match=rf"^book/{name}\.ipynb exists already"):
            new.new(root, name, DAY)
    (root / "book" / "other.ipynb").touch()
    with pytest.raises(PressError, match="exists already"):
        new.new(root, "other", DAY)


def test_contents_without_pages_are_refused(root: Path) -> None:
    with pytest.raises(PressError, match=r"^_toc\.yml: names no page"):
        new._listed("format: jb-book\n", "appendix-one")
