"""Figures with sliders."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from opened import Book

SLIDER = 'class="explore"'


@pytest.fixture(scope="module")
def pages(book: Book) -> list[str]:
    return [page for page in book.pages() if SLIDER in (book.html / page).read_text(encoding="utf-8")]


def test_six_chapters_have_one(pages: list[str]) -> None:
    assert len(pages) >= 6


def test_a_slider_redraws_its_figure_and_says_what_it_shows(book: Book, pages: list[str]) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        for page in pages:
            tab.goto(book.address + page)
            for root in tab.locator(".explore").all():
                expect(root).to_be_visible()
                slider, plot, words = root.locator("input"), root.locator("> svg"), root.locator(".explore-words")
                last = int(slider.get_attribute("max") or 0)
                slider.focus()
                tab.keyboard.press("Home")
                seen = {(plot.inner_html(), words.inner_text())}
                for _ in range(last):
                    tab.keyboard.press("ArrowRight")
                    seen.add((plot.inner_html(), words.inner_text()))
                assert len(seen) == last + 1, f"{page}: some positions look the same"
                assert plot.locator("[d*=NaN], [cx=NaN], [cy=NaN]").count() == 0
                assert "NaN" not in words.inner_text()
                label = slider.get_attribute("aria-label") or ""
                assert re.escape(label) in re.escape(plot.get_attribute("aria-label") or "")


def test_its_numbers_are_those_of_the_download(book: Book, pages: list[str]) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        for page in pages:
            tab.goto(book.address + page)
            tab.wait_for_function("!document.querySelector('.explore[hidden]')")  # they are made one after another
            values = tab.evaluate("[...document.querySelectorAll('.explore output')].map(node => node.textContent)")
            text = (book.html / page).read_text(encoding="utf-8")
            told = [json.loads(found) for found in re.findall(r'<script type="application/json">(.*?)</script>', text)]
            assert values == [each["values"][each["start"]] for each in told]


def test_without_scripts_the_static_figure_stands_alone(book: Book, pages: list[str]) -> None:
    with book.browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(book.address + pages[0])
        assert tab.locator(".explore:visible").count() == 0
        expect(tab.locator("figure img").first).to_be_visible()


def test_a_damaged_slider_leaves_the_figure(book: Book, pages: list[str]) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()

        def damaged(route: object) -> None:
            body = (book.html / pages[0]).read_text(encoding="utf-8").replace('"frames":', '"lost":')
            route.fulfill(body=body, content_type="text/html")  # type: ignore[attr-defined]

        tab.route(f"**/{pages[0]}", damaged)
        tab.goto(book.address + pages[0])
        assert tab.locator(".explore:visible").count() == 0
        expect(tab.locator("figure img").first).to_be_visible()
