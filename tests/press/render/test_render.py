from pathlib import Path

import pytest

from poly.press import chapters, render
from poly.press.chapters import PressError
from small_book import make_book


def test_an_equation_that_tex_cannot_read_is_named_with_its_place(tmp_path: Path) -> None:
    book = make_book(tmp_path / "book")
    index = book / "book" / "index.md"
    index.write_text(index.read_text(encoding="utf-8") + "\nAlas, $\\alas$.\n", encoding="utf-8")
    pages = chapters.read_pages(book)
    notebooks = {page: chapters.read_notebook(page.path) for page in pages[1:]}
    with pytest.raises(PressError, match=r"book/index\.md:5: ERROR: .*\\alas.* in the equation '\\\\alas'"):
        render.render(book, book / "_build", pages, notebooks)
