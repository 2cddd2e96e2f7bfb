"""The playground as a reader uses it: buttons, keys, valid and invalid links, and the page without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from opened import Book

PAGE = "book/playground.html"
SMALL = "?n=8&m=16"


@pytest.fixture
def tab(book: Book) -> Iterator[Page]:
    with book.browser.new_context() as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        assert wrong == []


def go(tab: Page, book: Book, query: str = SMALL) -> None:
    tab.goto(book.address + PAGE + query)
    expect(tab.get_by_role("button", name="Play", exact=True)).to_be_visible()


def step(tab: Page) -> int:
    text = tab.locator(".playground-clock").inner_text()
    return int(re.sub(r"\D", "", text))


def picture(tab: Page, name: str) -> Any:
    """Return a picture once it is drawn: a canvas has 300 × 150 pixels before, and is drawn in the next frames."""
    tab.wait_for_function("name => document.querySelector(`.playground-${name}`).height !== 150", arg=name)
    return tab.evaluate(
        """name => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
        done(document.querySelector(`.playground-${name}`).toDataURL()))))""",
        name,
    )


def seek(tab: Page, to: int) -> None:
    tab.evaluate(
        """to => { const slider = document.querySelector('.playground-time input');
        slider.value = to; slider.dispatchEvent(new Event('input')) }""",
        to,
    )
    expect(tab.locator(".playground-status")).to_contain_text(f"Step {to:,}:")


def test_play_pause_step_and_scrub(tab: Page, book: Book) -> None:
    go(tab, book)
    before = picture(tab, "neurons")
    tab.get_by_role("button", name="Play", exact=True).click()
    tab.wait_for_function("document.querySelector('.playground-clock').textContent.replace(/\\D/g, '') > 60")
    tab.get_by_role("button", name="Pause").click()
    rests = step(tab)
    tab.wait_for_timeout(200)
    assert step(tab) == rests > 60
    assert picture(tab, "neurons") != before
    tab.get_by_role("button", name="Step", exact=True).click()
    expect(tab.locator(".playground-status")).to_contain_text(f"Step {rests + 1:,}:")
    there = picture(tab, "weights")
    seek(tab, 20)
    assert picture(tab, "weights") != there
    seek(tab, rests + 1)
    assert picture(tab, "weights") == there
    tab.get_by_role("button", name="To the start").click()
    expect(tab.locator(".playground-status")).to_contain_text("Step 0:")
    assert picture(tab, "neurons") == before


def test_a_link_gives_the_state_again(tab: Page, book: Book) -> None:
    go(tab, book, "?n=12&m=20&l1=0.03&noise=bipolar&sigma=0.05&seed=9&step=300&feature=3")
    expect(tab.locator(".playground-status")).to_contain_text("Step 300:")
    seen = picture(tab, "neurons"), picture(tab, "forces"), tab.locator(".playground-list").inner_text()
    tab.get_by_role("button", name="Step", exact=True).click()
    expect(tab).to_have_url(re.compile("step=301"))
    seek(tab, 300)
    address = tab.get_by_label("link to this state").input_value()
    assert address == tab.url
    go(tab, book, "")
    tab.goto(address)
    expect(tab.locator(".playground-status")).to_contain_text("Step 300:")
    assert (picture(tab, "neurons"), picture(tab, "forces"), tab.locator(".playground-list").inner_text()) == seen


def test_of_a_planted_pair_opposite_signs_end_as_a_shared_neuron(tab: Page, book: Book) -> None:
    go(tab, book, "?n=2&m=12&init=benign&seed=3&step=2000")
    expect(tab.locator(".playground-status")).to_contain_text("Step 2,000: 1 polysemantic neuron, 2 of 2")
    expect(tab.locator(".playground-list")).to_contain_text("opposite signs: decided, they share it")
    go(tab, book, "?n=2&m=12&init=malign&seed=3&step=2000")
    expect(tab.locator(".playground-status")).to_contain_text("Step 2,000: 0 polysemantic neurons, 2 of 2")
    expect(tab.locator(".playground-list")).to_contain_text("left, for neuron")
    # The paper's count is for random starts under the penalty and without noise; of nothing else.
    expect(tab.locator(".playground-status")).not_to_contain_text("the paper expects")
    go(tab, book, "?n=2&m=12&l1=0")
    expect(tab.locator(".playground-status")).not_to_contain_text("the paper expects")
    go(tab, book)
    expect(tab.locator(".playground-status")).to_contain_text("the paper expects")


def test_it_stops_when_every_feature_has_decided(tab: Page, book: Book) -> None:
    go(tab, book, "?n=2&m=12&init=benign&seed=3")
    tab.get_by_label("pace").select_option(label="as many as it can")
    tab.get_by_role("button", name="Play", exact=True).click()
    expect(tab.locator(".playground-status")).to_contain_text("Every feature has decided.", timeout=20_000)
    expect(tab.get_by_role("button", name="Play", exact=True)).to_be_visible()


def test_settings_start_anew_and_bad_ones_change_nothing(tab: Page, book: Book) -> None:
    go(tab, book, "?n=8&m=16&step=10")
    tab.locator(".playground-settings > summary").click()
    tab.get_by_label("features, n").fill("200")
    tab.get_by_label("features, n").press("Enter")
    expect(tab.locator(".playground-fault")).to_contain_text("features, n: must be a whole number from 2 to 128")
    expect(tab.get_by_label("features, n")).to_have_attribute("aria-invalid", "true")
    expect(tab.locator(".playground-status")).to_contain_text("Step 10:")
    tab.get_by_label("features, n").fill("128")
    tab.get_by_label("neurons, m").fill("1024")
    tab.get_by_label("neurons, m").press("Enter")
    expect(tab.locator(".playground-fault")).to_contain_text(
        "n × m is 131,072: this page trains at most 32,768 weights"
    )
    tab.get_by_label("neurons, m").fill("20")
    tab.get_by_label("features, n").fill("10")
    tab.get_by_label("features, n").press("Enter")
    expect(tab.locator(".playground-fault")).to_have_text("")
    expect(tab).to_have_url(re.compile(r"\?n=10&m=20$"))
    expect(tab.locator(".playground-status")).to_contain_text("Step 0:")


BAD = [
    "?n=9999",
    "?m=<script>alert(1)</script>",
    "?seed=1;drop",
    "?n=8&n=8",
    "?nonsense",
    "?init=%3Cimg src=x onerror=alert(1)%3E",
]


@pytest.mark.parametrize("query", BAD)
def test_of_a_bad_link_the_rest_opens_and_the_page_says_so(tab: Page, book: Book, query: str) -> None:
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    tab.on("dialog", answer)
    go(tab, book, query)
    expect(tab.locator(".playground-notice")).to_contain_text("Not understood in this link, and left at its default: ")
    expect(tab.locator(".playground-setup")).to_contain_text("n = 32, m = 64, λ = 0.02")
    assert tab.locator("#play script, #play img").count() == 0
    assert asked == []


def test_one_bad_setting_leaves_the_others(tab: Page, book: Book) -> None:
    go(tab, book, "?n=8&m=16&l1=7&step=10")
    expect(tab.locator(".playground-notice")).to_contain_text("l1 = “7” must be a number from 0 to 1")
    expect(tab.locator(".playground-setup")).to_contain_text("n = 8, m = 16, λ = 0.02")
    expect(tab.locator(".playground-status")).to_contain_text("Step 10:")


def test_under_too_large_a_penalty_it_stops_with_a_word(tab: Page, book: Book) -> None:
    go(tab, book, "?l1=1")
    tab.get_by_label("pace").select_option(label="as many as it can")
    tab.get_by_role("button", name="Play", exact=True).click()
    expect(tab.locator(".playground-status")).to_contain_text("every weight is below λ/4", timeout=20_000)
    expect(tab.locator(".playground-status")).to_contain_text("0 of 32 features decided, 32 on the way to zero")
    expect(tab.locator(".playground-status")).not_to_contain_text("the paper expects")


def test_of_more_features_than_neurons_no_count_is_foretold(tab: Page, book: Book) -> None:
    go(tab, book, "?n=128&m=2")
    expect(tab.locator(".playground-status")).to_contain_text("for fewer features on more neurons")
    expect(tab.locator(".playground-status")).not_to_contain_text("2,048")


def test_examples_are_reached_one_after_another_by_the_arrow_key(tab: Page, book: Book) -> None:
    go(tab, book, "")
    examples = tab.get_by_label("example", exact=True)
    expect(examples).to_have_value("a crowd")
    examples.focus()
    for name in ("one pair, opposite signs", "one pair, the same sign", "all begin apart"):
        tab.keyboard.press("ArrowDown")
        expect(examples).to_have_value(name)
    go(tab, book, "?n=9")
    expect(examples).to_have_value("")


def test_weights_that_diverge_stop_the_run_with_a_word(tab: Page, book: Book) -> None:
    go(tab, book, "?n=16&m=32&lr=0.2&noise=gaussian&sigma=1")
    tab.get_by_label("pace").select_option(label="as many as it can")
    tab.get_by_role("button", name="Play", exact=True).click()
    expect(tab.locator(".playground-status")).to_contain_text("choose a smaller learning rate", timeout=20_000)


def test_it_can_be_used_by_keyboard_alone(tab: Page, book: Book) -> None:
    go(tab, book)
    tab.get_by_role("button", name="Play", exact=True).focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Pause")).to_be_focused()
    tab.keyboard.press("k")
    expect(tab.get_by_role("button", name="Play", exact=True)).to_be_visible()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Step", exact=True)).to_be_focused()
    tab.keyboard.press("Space")
    expect(tab.locator(".playground-clock")).to_have_text(re.compile("[1-9]"))  # drawn in the frame that follows
    tab.locator(".playground-time input").focus()
    tab.keyboard.press("Home")
    expect(tab.locator(".playground-status")).to_contain_text("Step 0:")
    tab.get_by_label("chosen feature").fill("5")
    tab.get_by_label("chosen feature").press("Enter")
    expect(tab.locator(".playground-forces")).to_have_attribute("aria-label", re.compile("^feature 5: "))


def test_a_click_on_a_picture_chooses_a_feature(tab: Page, book: Book) -> None:
    go(tab, book)
    box = tab.locator(".playground-weights").bounding_box()
    assert box
    tab.locator(".playground-weights").click(position={"x": box["width"] / 2, "y": box["height"] * 6.5 / 8})
    expect(tab.get_by_label("chosen feature")).to_have_value("6")
    expect(tab).to_have_url(re.compile("feature=6"))


def test_lost_pictures_leave_words(tab: Page, book: Book) -> None:
    go(tab, book)
    tab.evaluate("document.querySelector('.playground-neurons').dispatchEvent(new Event('contextlost'))")
    expect(tab.locator(".playground-notice")).to_contain_text("reload the page")
    expect(tab.get_by_role("heading", name="The same in pictures")).to_be_visible()


def test_little_motion_is_honored(book: Book) -> None:
    with book.browser.new_context(reduced_motion="reduce") as context:
        tab = context.new_page()
        go(tab, book)
        assert "decided" in tab.locator(".playground-status").inner_text()
        tab.evaluate(
            """() => { window.drawn = 0; const kind = CanvasRenderingContext2D.prototype, old = kind.drawImage;
            kind.drawImage = function (...a) { window.drawn++; return old.apply(this, a); } }"""
        )
        tab.get_by_role("button", name="Play", exact=True).click()
        tab.wait_for_timeout(2200)
        assert 1 <= tab.evaluate("window.drawn") <= 8


def test_with_little_motion_the_pictures_show_the_step_that_is_said(tab: Page, book: Book) -> None:
    calm_context = book.browser.new_context(reduced_motion="reduce")
    with calm_context:
        calm = calm_context.new_page()
        for query, presses in ((f"{SMALL}&step=300", 0), (SMALL, 3)):
            shown = []
            for page in (tab, calm):
                go(page, book, query)
                page.evaluate(STEPS, presses)
                asked = presses or 300
                expect(page.locator(".playground-status")).to_contain_text(f"Step {asked}:")
                page.wait_for_timeout(200)
                assert step(page) == asked
                shown.append([picture(page, name) for name in ("neurons", "weights", "counts", "forces")])
            assert shown[0] == shown[1], query


STEPS = """async presses => { for (; presses; presses--) {
  [...document.querySelectorAll('#play button')].find(each => each.textContent === 'Step').click();
  await new Promise(done => setTimeout(done, 60)); } }"""


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_it_fits_the_screen(book: Book, width: int) -> None:
    with book.browser.new_context(viewport={"width": width, "height": 800}) as context:
        tab = context.new_page()
        go(tab, book, "?n=64&m=256&step=5")
        tab.locator(".playground-settings > summary").click()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        wide = "[...document.querySelectorAll('#play *')].some(n => n.getBoundingClientRect().right > innerWidth + 1)"
        assert not tab.evaluate(wide)


def test_it_keeps_up_with_the_screen(tab: Page, book: Book) -> None:
    go(tab, book, "?n=64&m=256")
    tab.get_by_label("pace").select_option(label="1 step a frame")
    tab.get_by_role("button", name="Play", exact=True).click()
    tab.wait_for_timeout(500)
    work = tab.evaluate(
        """() => new Promise(done => { const times = [];
        const look = now => { times.push(now);
          times.length < 60 ? requestAnimationFrame(look) : done((times[59] - times[0]) / 59) };
        requestAnimationFrame(look) })"""
    )
    print(f"{work:.1f} ms a frame")
    assert work < 45  # a busy test machine without a graphics card; at rest it has 17 to 20


def test_a_link_keeps_its_step_while_it_is_being_reached(tab: Page, book: Book) -> None:
    go(tab, book, "?n=64&m=256&step=5000")
    expect(tab.locator(".playground-clock")).to_contain_text("going to 5,000")
    expect(tab).to_have_url(re.compile("step=5000"))
    tab.get_by_role("button", name="To the start").click()
    expect(tab).not_to_have_url(re.compile("step="))


def test_without_scripts_the_page_shows_pictures(book: Book) -> None:
    with book.browser.new_context(java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(book.address + PAGE)
        expect(tab.locator("#play")).to_contain_text("needs JavaScript")
        expect(tab.locator("figure img").first).to_be_visible()


def test_where_its_script_is_blocked_the_page_stays_readable(book: Book) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        tab.route("**/playground.js", lambda route: route.abort())
        tab.goto(book.address + PAGE)
        expect(tab.locator("figure img").first).to_be_visible()
        expect(tab.locator("#play")).to_contain_text("needs JavaScript")
