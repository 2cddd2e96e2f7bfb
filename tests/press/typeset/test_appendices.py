"""Numbers of appendices, in the pages that Sphinx makes."""

from pathlib import Path

from poly.press.render.postprocess import parsed
from press.typeset.sphinx_page import book

NUMBERED: dict[str, object] = {"root_doc": "book/index", "numfig": True, "math_numfig": True}
TABLE = "```{table} Numbers\n:name: tab-y\n\n| a |\n|---|\n| 1 |\n```\n"
PAGES = {
    "book/index.md": "# Front\n\nSee {eq}`eq-y` and {numref}`tab-y`.\n\n"
    "```{toctree}\n:numbered:\n:maxdepth: 2\n\n01-one\nappendix-x\nappendix-y\n```\n",
    "book/01-one.md": "# One\n\n$$x=1$$ (eq-one)\n",
    "book/appendix-x.md": "# X\n",
    "book/appendix-y.md": f"# Y\n\n## Section\n\n$$x=2$$ (eq-y)\n\n{TABLE}",
}


def words(page: Path) -> str:
    return parsed(page).get_text(" ", strip=True)


def test_appendices_have_letters_in_headings_equations_tables_and_the_contents(tmp_path: Path) -> None:
    out = book(tmp_path, PAGES, **NUMBERED) / "book"
    front = words(out / "index.html").replace(" ,", ",")
    assert all(title in front for title in ("(B.1)", "Table B.1", "1. One", "A. X", "B. Y", "B.1. Section")), front
    assert all(title in words(out / "appendix-y.html") for title in ("B. Y", "B.1. Section", "(B.1)"))
    assert "(1.1)" in words(out / "01-one.html")


def test_a_book_without_appendices_keeps_its_numbers(tmp_path: Path) -> None:
    pages = {"book/index.md": "# Front\n\n```{toctree}\n:numbered:\n\n01-one\n```\n", "book/01-one.md": "# One\n"}
    assert "1. One" in words(book(tmp_path, pages, **NUMBERED) / "book" / "index.html")
