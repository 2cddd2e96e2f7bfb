"""The text that says how to cite this copy of the book."""

from pathlib import Path

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from poly.press.chapters import Page, PressError
from poly.press.render import citation

CFF = """title: "A book: it tests"
version: "1.2.3"
authors:
  - {given-names: Ada, family-names: Lovelace}
  - {name: A team}
"""


def chapters(*days: str) -> dict[Page, NotebookNode]:
    made: dict[Page, NotebookNode] = {}
    for number, day in enumerate(days):
        notebook = new_notebook(metadata={"poly": {"provenance": {"date": f"{day} 10:00 UTC"}}})  # type: ignore[no-untyped-call]
        made[Page(f"book/{number}", Path(f"{number}.ipynb"))] = notebook
    return made


def test_the_citation_names_authors_version_commit_and_the_newest_run(tmp_path: Path) -> None:
    (tmp_path / citation.FILE).write_text(CFF, encoding="utf-8")
    text = citation.tables(tmp_path, chapters("2026-01-31", "2026-02-01"), "https://example.org/book")["citation"]
    assert "Ada Lovelace, A team: *A book: it tests.* Version 1.2.3, commit unknown, executed 2026-02-01." in text
    for line in ("author  = {{Ada Lovelace} and {A team}}", "year    = {2026}", "url     = {https://example.org/book}"):
        assert f"  {line},\n" in text


def test_without_an_address_or_a_run_the_citation_has_neither(tmp_path: Path) -> None:
    (tmp_path / citation.FILE).write_text(CFF, encoding="utf-8")
    text = citation.tables(tmp_path, {}, None)["citation"]
    assert "url" not in text
    assert "year" not in text
    assert "commit unknown." in text


@pytest.mark.parametrize("text", ["title: x", "- x", "title: x\nversion: 1\nauthors: [{given-names: Ada}]", ""])
def test_a_file_that_lacks_something_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / citation.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(PressError, match=r"CITATION\.cff: must have a title, a version and authors"):
        citation.tables(tmp_path, {}, None)


def test_a_book_without_the_file_says_nothing(tmp_path: Path) -> None:
    assert citation.tables(tmp_path, {}, None) == {}
