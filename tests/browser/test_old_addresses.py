"""Addresses of the book as it was with eight chapters: each still leads to its claim, figure or equation."""

import json
from pathlib import Path

import pytest

from opened import Book
from poly.press.render.postprocess import parsed

OLD: dict[str, list[str]] = json.loads(Path(__file__).with_name("old_addresses.json").read_text(encoding="utf-8"))
PAIRS = [(page, anchor) for page, anchors in OLD.items() for anchor in anchors]


def test_every_old_anchor_is_on_the_page_that_the_script_names(book: Book) -> None:
    script = (book.html / "_static" / "moved.js").read_text(encoding="utf-8")
    pages = json.loads(script.partition("const pages = ")[2].partition(";\n")[0])
    held = {name: parsed(book.html / "book" / f"{name}.html") for name in set(pages.values())}
    assert len(PAIRS) == 162
    lost = [pair for pair in PAIRS if pair[1] not in pages or not held[pages[pair[1]]].find(id=pair[1])]
    assert not lost


@pytest.mark.parametrize("served", [True, False], ids=["served", "from files"])
def test_every_old_page_forwards_the_reader_to_the_anchor(book: Book, served: bool) -> None:
    start = book.address if served else book.html.resolve().as_uri() + "/"
    with book.browser.new_context() as context:
        tab = context.new_page()
        for page, anchors in OLD.items():
            for anchor in (anchors[0], anchors[-1]):
                tab.goto(f"{start}book/{page}.html#{anchor}")
                tab.wait_for_function("id => document.getElementById(id)", arg=anchor, timeout=10000)
                assert tab.url.endswith(f"#{anchor}")


def test_an_old_page_without_an_anchor_leads_to_its_successor(book: Book) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        tab.goto(f"{book.address}book/07-noise.html")
        tab.wait_for_url("**/book/06-noise.html", timeout=10000)
        assert tab.locator("article h1").count() == 1
