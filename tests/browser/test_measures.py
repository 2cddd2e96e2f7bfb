"""Measurements of a page by its own script (measures.js), and pages in a browser that blocks storage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError

from opened import Book

MEASURES = (Path(__file__).parent / "measures.js").read_text(encoding="utf-8")


@pytest.fixture
def tab(book: Book) -> Iterator[Page]:
    with book.browser.new_context() as context:
        yield context.new_page()


def go(tab: Page, book: Book, page: str) -> None:
    tab.goto(book.address + page)
    tab.evaluate(MEASURES)


def chapters(book: Book) -> list[str]:
    return [page for page in book.pages() if page.startswith("book/0")]


def test_equations_stand_on_the_baseline_of_their_line(tab: Page, book: Book) -> None:
    for page in chapters(book):
        go(tab, book, page)
        found = tab.evaluate("baselines()")
        assert len(found) > 10, page
        assert [each for each in found if abs(each["above"]) > 1] == [], page


def test_fractions_in_a_line_are_small(tab: Page, book: Book) -> None:
    found: list[float] = []
    for page in chapters(book):
        go(tab, book, page)
        found += tab.evaluate("fractions()")
    assert len(found) > 3
    assert max(found) < 0.8


FITS = "(({page, notes}) => page === 0 && notes.length === 0)(overflow())"
NOTES = "[...document.querySelectorAll('aside.margin')].filter(note => note.checkVisibility()).length"


def test_no_page_is_wider_than_its_window_and_no_note_is_cut_off(tab: Page, book: Book) -> None:
    notes = 0
    for page in book.pages():
        go(tab, book, page)
        for width in range(1600, 300, -50):
            tab.set_viewport_size({"width": width, "height": 800})
            if not tab.evaluate(FITS):  # the theme's transitions may last, on a busy machine
                with contextlib.suppress(TimeoutError):
                    tab.wait_for_function(FITS, timeout=3000)
            assert tab.evaluate("overflow()") == {"page": 0, "notes": []}, f"{page} at {width} px"
            notes += tab.evaluate(NOTES)
    assert notes > 50


CUES = """() => {
  for (const fold of document.querySelectorAll('details')) fold.open = true;
  return [...document.querySelectorAll('.bd-article div.highlight pre, .math > .equation')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => getComputedStyle(box).backgroundAttachment);
}"""


def test_what_scrolls_sideways_shows_where_there_is_more(tab: Page, book: Book) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    for page in chapters(book):
        go(tab, book, page)
        cues = tab.evaluate(CUES)
        assert cues, page
        assert set(cues) == {"local, local, scroll, scroll"}, page


def test_whatever_has_the_focus_shows_it(tab: Page, book: Book) -> None:
    for page in book.pages():
        go(tab, book, page)
        assert tab.evaluate("unfocused()") == [], page


def test_buttons_are_named_by_words(tab: Page, book: Book) -> None:
    for page in book.pages():
        go(tab, book, page)
        assert tab.evaluate("misnamed()") == [], page


# Blocks storage, as some browsers do.
BLOCKED = """for (const kind of ['localStorage', 'sessionStorage'])
  Object.defineProperty(window, kind,
    {configurable: true, get() { throw new DOMException('The operation is insecure.', 'SecurityError'); }});"""


def test_where_storage_is_blocked_search_and_colors_work_for_the_visit(tab: Page, book: Book) -> None:
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.add_init_script(BLOCKED)
    tab.goto(f"{book.address}search.html?q=superposition")
    tab.locator("#search-results li a").first.wait_for(timeout=10000)
    tab.goto(f"{book.address}book/index.html")
    theme, seen = "document.documentElement.dataset.theme", set()
    for _ in range(3):
        tab.get_by_role("button", name="Color mode").click()
        seen.add(tab.evaluate(theme))
    assert seen == {"light", "dark"}
    while tab.evaluate(theme) != "dark":
        tab.get_by_role("button", name="Color mode").click()
    tab.goto(f"{book.address}book/03-race-inside-a-row.html")
    assert tab.evaluate(theme) == "dark"
    assert wrong == []


def test_notes_in_the_margin_are_no_landmarks(tab: Page, book: Book) -> None:
    tab.goto(f"{book.address}book/01-two-origin-stories.html")
    assert tab.get_by_role("note").count() > 5
    assert tab.locator(".bd-article").get_by_role("complementary").count() == 0


def test_the_search_stays_in_reach_where_the_contents_scroll(tab: Page, book: Book) -> None:
    tab.set_viewport_size({"width": 1366, "height": 650})
    for page in ("book/references.html", "book/appendix-nulls.html", "book/index.html"):
        tab.goto(book.address + page)
        tab.wait_for_timeout(300)
        box = tab.locator(".bd-sidebar-primary .search-button-field").bounding_box()
        assert box
        assert 0 <= box["y"] < 300, page


HEAD = "() => [document.title, document.querySelectorAll('meta[name=viewport]').length]"


def test_a_page_has_one_title_and_one_viewport(tab: Page, book: Book) -> None:
    for page in book.pages():
        tab.goto(book.address + page)
        title, viewports = tab.evaluate(HEAD)
        assert title.count("Put to the test") == 1, page
        assert viewports == 1, page


def test_equations_say_their_tex(tab: Page, book: Book) -> None:
    for page in chapters(book):
        tab.goto(book.address + page)
        texts = tab.evaluate("[...document.querySelectorAll('math')].map(math => math.getAttribute('alttext'))")
        assert all(texts), page
        assert any("\\" in text for text in texts), page


HEADING = "() => getComputedStyle(document.querySelector(':target > h2')).backgroundColor"
FILTERS = "() => [...document.querySelectorAll('img.no-invert')].map(image => getComputedStyle(image).filter)"


def test_a_heading_reached_by_a_link_gets_no_bar_behind_it(tab: Page, book: Book) -> None:
    tab.goto(f"{book.address}book/03-race-inside-a-row.html#verdicts")
    assert tab.evaluate(HEADING) == "rgba(0, 0, 0, 0)"


def test_figures_that_keep_their_colors_are_dimmed_in_the_dark(tab: Page, book: Book) -> None:
    for scheme, wanted in (("dark", "brightness(0.75)"), ("light", "none")):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        tab.goto(f"{book.address}book/02-three-forces.html")
        assert set(tab.evaluate(FILTERS)) == {wanted}


FOLD = """() => { const fold = document.querySelector('details.hide'), [closed, open] = [false, true].map(now => {
    fold.open = now;
    const label = [...fold.querySelectorAll('summary > p')].find(each => each.checkVisibility());
    const [box, text] = [fold.querySelector('summary'), label].map(each => each.getBoundingClientRect());
    return {x: text.x, off: (text.top + text.bottom - box.top - box.bottom) / 2, room: text.top - box.top};
  });
  return [closed, open]; }"""


def test_the_label_of_a_fold_stands_in_its_middle_open_and_closed(tab: Page, book: Book) -> None:
    tab.goto(f"{book.address}book/03-race-inside-a-row.html")
    closed, opened = tab.evaluate(FOLD)
    assert closed["x"] == opened["x"]
    for each in (closed, opened):
        assert abs(each["off"]) <= 1
        assert each["room"] >= 3
