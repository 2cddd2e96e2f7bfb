"""Test that a rendered page loads nothing from another host; saved states of widgets, which would, are dropped."""

from pathlib import Path

import nbformat
import pytest

from poly.press import chapters, foreign_addresses, render
from poly.press.chapters import PressError
from poly.press.render import postprocess
from small_book import make_book, write

HOST = "//cdn.example.org/x"


@pytest.mark.parametrize(
    "text",
    [
        f'<script src="https:{HOST}"></script>',
        f"<SCRIPT defer SRC=http:{HOST}></SCRIPT>",
        f'<script data-a="a > b" src="{HOST}"></script>',
        f'<link rel="stylesheet" href="https:{HOST}"/>',
        f'<link href="https:{HOST}" rel="preconnect">',
        f'<img alt="" src="https:{HOST}">',
        f'<img src="here.png" srcset="here.png 1x, https:{HOST} 2x">',
        f'<iframe src="https:{HOST}"></iframe>',
        f'<video poster="https:{HOST}"></video>',
        f'<object data="https:{HOST}"></object>',
        f'<svg><image xlink:href="https:{HOST}"/></svg>',
        f'<p style="background: url(&quot;https:{HOST}&quot;)">',
        f"<style>@import 'https:{HOST}';</style>",
        f"<style>p {{ background: url( https:{HOST} ) }}</style>",
        f'<script>import("https:{HOST}")</script>',
        f'<script type="module">import a from "https:{HOST}"</script>',
        f'<script>requirejs.config({{paths: {{"plotly": ["https:{HOST}"]}}}})</script>',
        f"<script>document.createElement('script').src = 'https:{HOST}'</script>",
    ],
)
def test_what_a_page_asks_another_host_for_is_found(text: str) -> None:
    (address,) = foreign_addresses.in_page(f"<html><body>{text}</body></html>")
    assert address.rpartition(":")[2] == HOST


@pytest.mark.parametrize(
    "text",
    [
        f'<a href="https:{HOST}">read it</a>',
        f'<link rel="canonical" href="https:{HOST}">',
        f"<pre>&lt;script src=&quot;https:{HOST}&quot;&gt; url(https:{HOST})</pre>",
        f'<!-- <script src="https:{HOST}"></script> -->',
        '<img src="_images/here.png"><script src="../_static/book.js?v=1"></script>',
        '<img src="data:image/png;base64,//8=">',
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        f'<script type="application/json">{{"src": "https:{HOST}"}}</script>',
        f"<style>/* url(https:{HOST}) */</style>",
    ],
)
def test_what_asks_nobody_passes(text: str) -> None:
    assert foreign_addresses.in_page(text) == []


def test_a_style_sheet_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static/a.css").write_text(f"@font-face {{ src: url('https:{HOST}') }}")
    assert foreign_addresses.in_book(tmp_path) == [f"_static/a.css asks for https:{HOST}"]


@pytest.fixture
def rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a book and stand in for jupyter-book, which renders plain pages."""
    book, made = make_book(tmp_path / "book"), tmp_path / "made"
    (made / "book").mkdir(parents=True)
    for name in ("index", "book/index", "book/01-one", "book/02-two"):
        (made / f"{name}.html").write_text("<p>text</p>")
    monkeypatch.setattr(render, "_jupyter_book", lambda *_: made)
    monkeypatch.setattr(postprocess, "postprocess", lambda *_: None)
    return book


def rendering(book: Path) -> None:
    pages = chapters.read_pages(book)
    notebooks = {page: chapters.read_notebook(page.path) for page in pages[1:]}
    render.render(book, book / "_build", pages, notebooks)


def test_a_page_that_asks_another_host_is_not_published(rendered: Path) -> None:
    (rendered.parent / "made/book/02-two.html").write_text(f'<img src="https:{HOST}">')
    with pytest.raises(PressError) as caught:
        rendering(rendered)
    assert str(caught.value) == f"pages call no other host, but book/02-two.html asks for https:{HOST}"
    assert not (rendered / "_build/html").exists()


def test_web_hosts_leave_no_folder_out(rendered: Path) -> None:
    rendering(rendered)
    assert (rendered / "_build/html/.nojekyll").read_bytes() == b""


@pytest.mark.parametrize("minor", [0, 5])
def test_staged_chapters_are_valid_whatever_wrote_them(rendered: Path, minor: int) -> None:
    path = rendered / "book/01-one.ipynb"
    notebook = chapters.read_notebook(path)
    notebook.nbformat_minor = minor
    for cell, name in zip(notebook.cells, ["foot", "foot", "frame-claims", "x"], strict=False):
        cell.id = name
        if minor < 5:
            del cell["id"]
    write(path, notebook)
    rendering(rendered)
    staged = nbformat.read(rendered / "_build/stage/book/01-one.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(staged)
    assert staged.nbformat_minor == 5
    assert len({cell.id for cell in staged.cells}) == len(staged.cells)
