"""The guided tour of the playground as a reader uses it: buttons, keys, addresses, phones, screen readers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.test_pages import AXE, SHADES, WIDE, axe
from opened import Book

PAGE = "book/playground.html"
STOPS = 5
SLOW = 60_000  # ms; other tests may keep the machine busy
TEXT = "#tour-text"
# Whether the run has come to its end, and rests.
RESTS = """() => !document.querySelector('#tour-text').textContent.startsWith('One moment')
  && !document.querySelector('.playground-clock').textContent.includes('going')
  && [...document.querySelectorAll('#play button')].some(each => each.textContent === 'Play')"""
# Framed pictures, and how much of each can be seen between the page's head and the tour.
LIT = """() => [...document.querySelectorAll('.playground-lit')].map(canvas => {
  const box = canvas.getBoundingClientRect(), tour = document.querySelector('.playground-tour').getBoundingClientRect();
  const top = document.querySelector('.bd-header-article').getBoundingClientRect().bottom;
  const seen = Math.min(box.bottom, innerHeight, tour.top) - Math.max(box.top, top, 0);
  return [canvas.className.match(/playground-(neurons|weights|counts|forces|life)/)[1], seen / box.height];
})"""
SEEN = f"() => ({LIT})().some(([_, seen]) => seen > 0.99)"
# A run of a stop in the page, apart from what is shown: where each feature has its largest weight, first and last.
ENDS = """at => {
  const stop = playground.TOUR[at - 1], state = playground.stateAt(stop), run = new playground.Run(state);
  const first = playground.favorites(run.network.W, state.n, state.m);
  while (run.step < stop.to) run.advance();
  return [first, playground.favorites(run.network.W, state.n, state.m)];
}"""


@contextmanager
def page(book: Book, **options: Any) -> Iterator[Page]:
    """Yield a page, and fail if a script fails; by default motion is reduced, so that stops come at once."""
    with book.browser.new_context(**({"reduced_motion": "reduce"} | options)) as context:
        tab = context.new_page()
        wrong: list[str] = []
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        yield tab
        assert wrong == []


@pytest.fixture
def tab(book: Book) -> Iterator[Page]:
    with page(book) as found:
        yield found


def press(tab: Page, name: str) -> None:
    tab.get_by_role("button", name=name, exact=True).click()


def rest(tab: Page) -> None:
    tab.wait_for_function(RESTS, timeout=SLOW)


def at(tab: Page, stop: int) -> None:
    expect(tab.locator(".playground-progress")).to_have_text(f"{stop} of {STOPS}")
    expect(tab.locator(".playground-tour")).to_be_visible()
    expect(tab).to_have_url(re.compile(rf"playground\.html#tour-{stop}$"))


def ended(tab: Page) -> None:
    expect(tab.locator(".playground-tour")).to_be_hidden()
    assert tab.locator(".playground-lit").count() == 0
    assert "tour" not in tab.url


def scrub(tab: Page, step: int) -> None:
    script = "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }"
    tab.locator(".playground-time input").evaluate(script, step)
    expect(tab.locator(".playground-status")).to_contain_text(f"Step {step:,}:", timeout=SLOW)


def test_five_stops_lead_to_the_life_of_one_shared_neuron(tab: Page, book: Book) -> None:
    tab.goto(book.address + PAGE)
    press(tab, "Take the tour")
    texts = []
    for stop in range(1, STOPS + 1):
        at(tab, stop)
        rest(tab)
        texts.append(tab.locator(TEXT).inner_text())
        sentences = re.split(r"(?<=[.!?])\s+", texts[-1])
        assert len(sentences) <= 2
        assert all(len(sentence.split()) <= 20 for sentence in sentences)
        tab.wait_for_function(SEEN, timeout=SLOW)
        assert tab.locator(".playground-life").is_visible() == (stop == STOPS)
        if stop < STOPS:
            press(tab, "Next")
    assert len(set(texts)) == STOPS
    expect(tab.get_by_role("button", name="Next", exact=True)).to_be_disabled()
    press(tab, "Back")
    at(tab, STOPS - 1)
    press(tab, "End")
    ended(tab)
    expect(tab).to_have_url(re.compile(r"\?step=1340"))  # the state stays
    expect(tab.get_by_role("button", name="Take the tour")).to_be_focused()


def test_the_marked_features_begin_on_two_neurons_and_end_on_one_with_opposite_signs(tab: Page, book: Book) -> None:
    tab.goto(f"{book.address}{PAGE}#tour-5")
    rest(tab)
    one, other, k, m, neuron, *_ = map(int, re.findall(r"\d+", tab.locator(TEXT).inner_text()))
    first, last = tab.evaluate(ENDS, 5)
    assert [first[i]["neuron"] for i in (one, other)] == [k, m]
    assert k != m
    assert last[one]["neuron"] == last[other]["neuron"] == neuron
    assert last[one]["weight"] * last[other]["weight"] < -0.64
    # They are marked from the start to the end, in the picture that is shown.
    for step, where in ((0, (k, m)), (1340, (neuron, neuron))):
        scrub(tab, step)
        marked = [
            f"marked: feature {i}, largest weight on neuron {k}" for i, k in zip((one, other), where, strict=True)
        ]
        expect(tab.locator(".playground-neurons")).to_have_attribute("aria-label", re.compile("; ".join(marked)))
    ways = [f"feature {i}: from neuron {k} to neuron {neuron}" for i, k in ((one, k), (other, m))]
    expect(tab.locator(".playground-life")).to_have_attribute("aria-label", "; ".join(ways))


def test_what_other_stops_say_is_what_the_playground_shows(tab: Page, book: Book) -> None:
    said = tab.locator(".playground-status")
    for stop, shown in ((1, "1 polysemantic neuron, 2 of 2 features decided"), (2, "1 polysemantic neuron, 2 of 2")):
        tab.goto(f"{book.address}{PAGE}#tour-{stop}")
        rest(tab)
        expect(said).to_contain_text(shown)
        first, last = tab.evaluate(ENDS, stop)
        assert len({each["neuron"] for each in first + last}) == 1  # both begin there and stay
    tab.goto(f"{book.address}{PAGE}#tour-4")
    rest(tab)
    count, paper = re.findall(r"In the end (\d+) .* n²/4m = (\d+)\.", tab.locator(TEXT).inner_text())[0]
    expect(said).to_contain_text(f"{count} polysemantic neurons, 32 of 32 features decided")
    expect(said).to_contain_text(f"the paper expects {paper}.00")
    expect(tab.get_by_text(f"{count} neurons are shared by two features with opposite signs")).to_be_visible()


def test_it_plays_what_is_to_be_seen_and_pauses_at_its_end(book: Book) -> None:
    with page(book, reduced_motion="no-preference") as tab:
        tab.goto(f"{book.address}{PAGE}#tour-2")
        expect(tab.get_by_role("button", name="Pause")).to_be_visible()
        tab.wait_for_function("/[1-9]/.test(document.querySelector('.playground-clock').textContent)", timeout=SLOW)
        rest(tab)
        expect(tab.locator(".playground-status")).to_contain_text("Every feature has decided. Step 420:")
        press(tab, "Play")  # and on, as ever
        tab.wait_for_function("/42[1-9]|4[3-9]./.test(document.querySelector('.playground-clock').textContent)")


def test_little_motion_shows_the_end_at_once(tab: Page, book: Book) -> None:
    tab.goto(f"{book.address}{PAGE}#tour-2")
    expect(tab.locator(".playground-status")).to_contain_text("Step 420:", timeout=SLOW)
    expect(tab.get_by_role("button", name="Pause")).to_have_count(0)


def test_keys_lead_through_it(tab: Page, book: Book) -> None:
    tab.goto(book.address + PAGE)
    tab.get_by_role("button", name="Take the tour").focus()
    tab.keyboard.press("Enter")
    at(tab, 1)
    following = tab.get_by_role("button", name="Next", exact=True)
    expect(following).to_be_focused()
    tab.keyboard.press("Enter")
    at(tab, 2)
    expect(following).to_be_focused()
    tab.keyboard.press("ArrowRight")
    at(tab, 3)
    tab.keyboard.press("ArrowLeft")
    at(tab, 2)
    tab.keyboard.press("Shift+Tab")
    expect(tab.get_by_role("button", name="Back")).to_be_focused()
    tab.keyboard.press("Enter")
    at(tab, 1)
    expect(following).to_be_focused()  # there is no way back
    tab.locator(".playground-time input").focus()
    tab.keyboard.press("ArrowLeft")  # moves the slider alone
    tab.keyboard.press("ArrowRight")
    at(tab, 1)
    for _ in range(STOPS):  # and no further
        following.focus()
        tab.keyboard.press("ArrowRight")
    at(tab, STOPS)
    expect(tab.get_by_role("button", name="End")).to_be_focused()
    tab.keyboard.press("Escape")
    ended(tab)
    expect(tab.get_by_role("button", name="Take the tour")).to_be_focused()
    tab.keyboard.press("ArrowRight")
    expect(tab.locator(".playground-tour")).to_be_hidden()


def test_a_screen_reader_is_told(tab: Page, book: Book) -> None:
    tab.goto(book.address + PAGE)
    press(tab, "Take the tour")
    tour = tab.get_by_role("dialog", name="Two features on one neuron")
    expect(tour).to_have_accessible_description(re.compile("opposite signs"))
    press(tab, "Next")
    told = tab.locator(".playground-tour [aria-live=polite][aria-atomic=true]")
    expect(told).to_contain_text(re.compile("Two features alone.*2 of 5.*both stay", re.DOTALL))


@pytest.mark.parametrize("where", ["server", "file"])
def test_an_address_opens_a_stop_and_a_reload_keeps_it(tab: Page, book: Book, where: str) -> None:
    base = book.address + PAGE if where == "server" else (book.html / PAGE).resolve().as_uri()
    tab.goto(f"{base}#tour-3")
    for _ in range(2):
        at(tab, 3)
        rest(tab)
        expect(tab.locator(".playground-status")).to_contain_text("Step 300:")
        tab.wait_for_function(SEEN, timeout=SLOW)
        tab.reload()
    press(tab, "Next")
    at(tab, 4)
    tab.reload()
    at(tab, 4)
    rest(tab)
    tab.wait_for_function(SEEN, timeout=SLOW)
    tab.evaluate("() => { location.hash = 'tour-1'; }")  # as a link in the page does
    at(tab, 1)
    tab.evaluate("() => { location.hash = 'things-to-try'; }")
    expect(tab.locator(".playground-tour")).to_be_hidden()
    assert tab.url.endswith("#things-to-try")


@pytest.mark.parametrize("anchor", ["tour-0", "tour-6", "tour-12", "tour-x", "tour-1x"])
def test_other_addresses_open_no_tour(tab: Page, book: Book, anchor: str) -> None:
    tab.goto(f"{book.address}{PAGE}?n=8&m=16#{anchor}")
    expect(tab.locator(".playground-status")).to_contain_text("of 8 features")
    expect(tab.locator(".playground-tour")).to_be_hidden()


def test_a_reader_who_changes_a_setting_has_left_it(tab: Page, book: Book) -> None:
    tab.goto(f"{book.address}{PAGE}#tour-2")
    rest(tab)
    tab.get_by_label("example", exact=True).focus()
    tab.get_by_label("example", exact=True).select_option(label="all begin apart")
    ended(tab)
    expect(tab).to_have_url(re.compile(r"\?init=deduplicated&seed=2$"))
    expect(tab.get_by_label("example", exact=True)).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen_and_axe_finds_nothing(book: Book, scheme: Any) -> None:
    with page(book, color_scheme=scheme, viewport={"width": 390, "height": 844}) as tab:
        for stop in range(1, STOPS + 1):
            tab.goto("about:blank")
            tab.goto(f"{book.address}{PAGE}#tour-{stop}")
            rest(tab)
            # On a phone, a picture that is meant and what is said of it are on one screen.
            tab.wait_for_function(SEEN, timeout=SLOW)
            box = tab.locator(".playground-tour").bounding_box()
            assert box
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
            assert box["y"] + box["height"] <= 844
            assert box["height"] < 300
            assert tab.evaluate(SHADES)["faint"] == []
        tab.evaluate(axe())
        for width in (1600, 1280, 768, 390, 320):
            tab.set_viewport_size({"width": width, "height": 844})
            assert tab.evaluate(WIDE) == [], width
            if width in (1280, 390):
                assert tab.evaluate(AXE) == [], width


def test_nothing_that_has_the_focus_is_hidden_below_it(book: Book) -> None:
    with page(book, viewport={"width": 390, "height": 844}) as tab:
        tab.goto(f"{book.address}{PAGE}#tour-2")
        rest(tab)
        for locator in (tab.get_by_label("chosen feature"), tab.get_by_label("link to this state")):
            locator.focus()
            tab.wait_for_timeout(100)
            box, tour = locator.bounding_box(), tab.locator(".playground-tour").bounding_box()
            assert box
            assert tour
            assert box["y"] + box["height"] <= tour["y"] + 1
