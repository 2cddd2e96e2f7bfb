from pathlib import Path

import pytest

from poly.press import chapters, render
from poly.press.chapters import PressError
from poly.press.figures import figure_data
from small_book import make_book, outputs_of


def test_each_figure_gets_a_cell_of_its_own() -> None:
    about = {"alt": "seen", "caption": "C", "data": figure_data.pack({"x": [1]}, "exact")}
    figures = [{"poly": {"figure": about | {"name": name}}} for name in ("fig-a", "fig-b")]
    notebook = outputs_of({}, figures[0], {"poly": {"caption": True}}, figures[1], {}, {})
    cells = render.for_the_page(notebook, "01-one").cells[2:]
    assert [cell.source for cell in cells] == ["draw()", "", "", ""]
    assert [len(cell.outputs) for cell in cells] == [1, 1, 1, 2]
    names = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells]
    assert names == [None, "fig-a", "fig-b", None]
    assert [cell.metadata.get("tags") for cell in cells] == [None, *([["remove-input"]] * 3)]
    assert len({cell.id for cell in cells}) == 4
    alone = render.for_the_page(outputs_of(figures[0], {"poly": {"caption": True}}), "01-one").cells[2:]
    assert [cell.source for cell in alone] == ["draw()"]
    assert alone[0].metadata["mystnb"]["image"] == {"alt": "seen"}


def test_an_equation_that_tex_cannot_read_is_named_with_its_place(tmp_path: Path) -> None:
    book = make_book(tmp_path / "book")
    index = book / "book" / "index.md"
    index.write_text(index.read_text(encoding="utf-8") + "\nAlas, $\\alas$.\n", encoding="utf-8")
    pages = chapters.read_pages(book)
    notebooks = {page: chapters.read_notebook(page.path) for page in pages[1:]}
    with pytest.raises(PressError, match=r"book/index\.md:5: ERROR: .*\\alas.* in the equation '\\\\alas'"):
        render.render(book, book / "_build", pages, notebooks)
