"""The ledger's page: lines open by a click or by their address, are filtered and sorted, and fit the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from browser.test_pages import AXE, WIDE, axe
from opened import Book
from poly.press.claims import load

PAGE = "book/ledger.html"
ENTRIES = Path(__file__).parents[2] / "book" / "claims.yml"
VISIBLE = "() => [...document.querySelectorAll('.ledger-lines')[0].children].filter(line => !line.hidden)"
IDS = f"() => ({VISIBLE})().map(line => line.id)"


@pytest.fixture
def tab(book: Book) -> Iterator[Page]:
    with book.browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        tab = context.new_page()
        tab.goto(book.address + PAGE)
        yield tab


def values(tab: Page, name: str) -> list[str]:
    return [str(each) for each in tab.evaluate(f"() => ({VISIBLE})().map(line => line.dataset.{name})")]


def test_an_address_leads_to_a_line_and_opens_it(tab: Page, book: Book) -> None:
    for address in (book.address, book.html.resolve().as_uri() + "/"):
        tab.goto("about:blank")
        tab.goto(f"{address}{PAGE}#ledger-C7a")
        line = tab.locator("#ledger-C7a")
        line.locator(".ledger-entry").wait_for(state="visible")
        tab.wait_for_timeout(300)
        box = line.bounding_box()
        assert box
        assert 0 <= box["y"] < 200
        assert tab.locator(".ledger-line details[open]").count() == 1


def test_a_link_to_a_claim_shows_it_whatever_the_filter_says(tab: Page) -> None:
    tab.locator(".ledger-controls select[name=verdict]").select_option("refuted")
    assert not tab.locator("#ledger-C1").is_visible()
    tab.evaluate("() => { location.hash = 'ledger-C1'; }")
    tab.locator("#ledger-C1 .ledger-entry").wait_for(state="visible")


def test_a_line_opens_and_closes_from_the_keyboard(tab: Page) -> None:
    summary = tab.locator("#ledger-C7b summary")
    entry = tab.locator("#ledger-C7b .ledger-entry")
    summary.focus()
    for shown in (True, False):
        tab.keyboard.press("Enter")
        entry.wait_for(state="visible" if shown else "hidden")


def test_filters_go_together_and_say_how_many_are_left(tab: Page) -> None:
    whole = len(tab.evaluate(IDS))
    assert whole > 50
    controls = tab.locator(".ledger-controls")
    assert controls.locator("output").inner_text() == f"{whole} of {whole} claims"
    assert not controls.locator("button").is_visible()
    controls.locator("[name=verdict]").select_option("confirmed")
    controls.locator("[name=blindness]").select_option("blind")
    assert set(values(tab, "verdict")) == {"confirmed"}
    assert set(values(tab, "blindness")) == {"blind"}
    left = len(tab.evaluate(IDS))
    assert 0 < left < whole
    assert controls.locator("output").inner_text() == f"{left} of {whole} claims"
    controls.locator("button").click()
    assert len(tab.evaluate(IDS)) == whole
    assert controls.locator("[name=verdict]").input_value() == ""


@pytest.mark.parametrize("name", ["kind", "verdict", "chapter", "blindness"])
def test_lines_are_sorted_in_the_order_of_the_filter(tab: Page, name: str) -> None:
    before = tab.evaluate(IDS)
    choice = tab.locator(f".ledger-controls [name={name}] option")
    ranks = choice.evaluate_all("options => options.map(option => option.value)")
    tab.locator(".ledger-controls [name=order]").select_option(name)
    found = values(tab, name)
    assert set(found) <= set(ranks)
    assert [ranks.index(value) for value in found] == sorted(ranks.index(value) for value in found)
    tab.locator(".ledger-controls [name=order]").select_option("")
    assert tab.evaluate(IDS) == before


def test_the_whole_page_is_short_on_a_desk(tab: Page) -> None:
    claims = len(load(ENTRIES))
    assert tab.evaluate("() => document.documentElement.scrollHeight") <= 80 * claims


def test_a_phone_shows_two_rows_and_the_picture(tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.reload()
    line = tab.locator("#ledger-C7a")
    tops = [line.locator(part).bounding_box() for part in (".ledger-id", ".claim-verdict", ".ledger-says", ".forest")]
    name, verdict, says, picture = (box["y"] for box in tops if box)
    assert abs(name - verdict) < 5
    assert name + 10 < says < picture
    line_box = line.bounding_box()
    assert line_box
    assert line_box["height"] < 110


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_open_lines_fit_every_window_and_axe_finds_nothing(book: Book, scheme: str) -> None:
    with book.browser.new_context(color_scheme=scheme) as context:  # type: ignore[arg-type]
        tab = context.new_page()
        tab.goto(book.address + PAGE)
        tab.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
        for width in (320, 390, 700, 768, 1280):
            tab.set_viewport_size({"width": width, "height": 800})
            assert tab.evaluate(WIDE) == [], f"{width} px"
        tab.evaluate(axe())
        assert tab.evaluate(AXE) == []


def test_every_picture_says_what_it_shows(tab: Page) -> None:
    said = tab.locator("svg.forest").evaluate_all("pictures => pictures.map(each => each.getAttribute('aria-label'))")
    assert len(said) > 50
    assert all("measured" in words for words in said)


def test_without_scripts_the_whole_table_is_there(book: Book) -> None:
    with book.browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(book.address + PAGE)
        assert not tab.locator(".ledger-controls").is_visible()
        assert tab.locator(".ledger-line summary").count() > 50
        tab.locator("#ledger-C7a summary").click()
        assert tab.locator("#ledger-C7a .ledger-entry").is_visible()
