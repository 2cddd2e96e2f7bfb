"""Every page of the built book, opened in a real browser.

Each page is visited once in light, once in dark and once from the file system; the tests ask what was seen.
"""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Request

from npm import modules
from opened import ROOT, Book

# What a loaded page can say about itself. Sphinx writes TeX into nodes of class math, where the press puts MathML.
FACTS = """async () => {
  for (const image of document.images) image.loading = 'eager';
  await Promise.all([...document.images].map(image =>
    image.complete || new Promise(done => { image.onload = image.onerror = done; })));
  const withIds = [...document.querySelectorAll('[id]')];
  const where = (nodes, wrong, say) => [...nodes].filter(wrong).map(say);
  return {
    title: document.title,
    description: document.querySelector('meta[name=description]')?.content ?? '',
    math: document.querySelectorAll('math').length,
    untypeset: where(document.querySelectorAll('.math'), node => !node.querySelector('math'),
      node => node.textContent.trim().slice(0, 80)),
    broken: where(document.images, image => image.naturalWidth === 0, image => image.src),
    unnamed: where(document.images, image => !image.alt.trim(), image => image.src),
    links: [...document.querySelectorAll('a[href]')].map(link => link.href),
    ids: withIds.map(node => node.id),
    twice: where(withIds, node => document.getElementById(node.id) !== node, node => node.id),
  };
}"""


# What sticks out of the text column on the right of the window and lies in no box that scrolls.
WIDE = """() => {
  const boxed = ['auto', 'scroll', 'hidden', 'clip'];
  const scrolls = node =>
    node && node !== document.body && (boxed.includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const out = [...document.querySelectorAll('.bd-article-container *')]
    .filter(node => node.getBoundingClientRect().right > innerWidth + 1 && !scrolls(node.parentElement));
  const page = document.documentElement.scrollWidth;
  return (page > innerWidth ? [`the page is ${page} px wide`] : [])
    .concat(out.slice(0, 3).map(node => node.outerHTML.slice(0, 100)));
}"""


# The theme in force, and texts of the article that stand out from their ground by less than 4.5 : 1 (WCAG 2.1, 1.4.3).
SHADES = """() => {
  const rgba = color => color.match(/[\\d.]+/g).map(Number);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const ground = node => {
    if (!node) return [255, 255, 255];
    const color = rgba(getComputedStyle(node).backgroundColor);
    return (color[3] ?? 1) === 1 ? color : ground(node.parentElement);
  };
  const contrast = node => {
    const pair = [light(rgba(getComputedStyle(node).color)), light(ground(node))];
    return (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
  };
  const texts = ['p', 'a:not(.headerlink)', 'h1', 'h2', 'dt', 'td', 'th', 'code', '.claim-verdict', '.eqno'];
  const faint = [...document.querySelectorAll(`.bd-article :is(${texts})`)]
    .filter(node => node.textContent.trim() && node.checkVisibility() && contrast(node) < 4.5)
    .map(node => `${contrast(node).toFixed(1)} : 1 ${node.outerHTML.slice(0, 90)}`);
  const {theme} = document.documentElement.dataset;
  return {theme, ground: light(ground(document.body)), faint: faint.slice(0, 3)};
}"""


TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


# What axe-core has against the page by WCAG 2.1 AA.
AXE = """() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations']})
  .then(found => found.violations.map(({id, nodes}) =>
    `${id}, ${nodes.length} times, such as ${nodes[0].html.slice(0, 160)}`))"""


@functools.cache
def axe() -> str:
    return (modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """One page, visited once: its requests, its errors, and how it looked."""

    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    shades: dict[str, Any] = field(default_factory=dict)
    wide: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def visit_all(book: Book, base: str, scheme: Literal["light", "dark"]) -> dict[str, Visit]:
    with book.browser.new_context(color_scheme=scheme) as context:
        return {page: visit(context, base, page) for page in book.pages()}


def keep_picture(tab: Page, page: str, name: str) -> None:
    """Save a screenshot of the page, wide in light and narrow in dark; all four if POLY_PICTURES names a folder."""
    folder = os.environ.get("POLY_PICTURES")
    if folder or name in ("light-wide", "dark-narrow"):
        kept = Path(folder) if folder else ROOT / "_build" / "test" / "pictures"
        tab.screenshot(
            path=kept / f"{page.replace('/', '-').removesuffix('.html')}-{name}.jpg", full_page=True, quality=70
        )


def given_up(request: Request) -> bool:
    """Return whether a picture for narrow screens was aborted, as it is when the window becomes wide."""
    return "-narrow.webp" in request.url and "ERR_ABORTED" in str(request.failure)


def visit(context: BrowserContext, base: str, page: str) -> Visit:
    seen = Visit()
    tab = context.new_page()
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.on("request", lambda r: seen.foreign.append(r.url) if not r.url.startswith((base, "data:", "blob:")) else None)
    tab.on("requestfailed", lambda r: None if given_up(r) else seen.failed.append(f"{r.url}: {r.failure}"))
    tab.on("response", lambda r: seen.failed.append(f"{r.url}: {r.status}") if r.status >= 400 else None)
    tab.on("console", lambda m: seen.complaints.append(m.text) if m.type in ("error", "warning") else None)
    tab.on("pageerror", lambda e: seen.complaints.append(str(e)))
    tab.goto(base + page, wait_until="load")
    tab.evaluate("dispatchEvent(new Event('scroll'))")  # what a phone leaves for later, see web/src/book.ts
    tab.wait_for_selector("html[data-whole]", state="attached", timeout=20000)
    seen.facts = tab.evaluate(FACTS)
    seen.shades = tab.evaluate(SHADES)
    pictured = base.startswith("http")
    if pictured:
        keep_picture(tab, page, f"{seen.shades['theme']}-wide")
    for width in (768, 360):
        tab.set_viewport_size({"width": width, "height": 740})
        seen.wide += [f"{width} px: {fault}" for fault in tab.evaluate(WIDE)]
    if pictured:
        keep_picture(tab, page, f"{seen.shades['theme']}-narrow")
        # Light wide, dark narrow.
        if seen.shades["theme"] == "light":
            tab.set_viewport_size({"width": 1280, "height": 900})
        tab.evaluate(TWO_FRAMES)  # boxes learn whether they scroll
        tab.evaluate(axe())
        seen.violations = tab.evaluate(AXE)
    tab.close()
    return seen


@pytest.fixture(scope="module")
def light(book: Book) -> dict[str, Visit]:
    return visit_all(book, book.address, "light")


@pytest.fixture(scope="module")
def dark(book: Book) -> dict[str, Visit]:
    return visit_all(book, book.address, "dark")


def named(visits: dict[str, Visit], attribute: str, fact: str = "") -> list[str]:
    """Return all faults of one kind, each with its page."""
    faults = {page: getattr(seen, attribute) for page, seen in visits.items()}
    return [f"{page}: {fault}" for page, found in faults.items() for fault in (found[fact] if fact else found)]


def assert_none(faults: list[str]) -> None:
    assert not faults, "\n" + "\n".join(faults)


def test_there_is_a_book_to_look_at(light: dict[str, Visit]) -> None:
    assert len(light) >= 5
    assert sum(seen.facts["math"] for seen in light.values()) > 0
    assert_none([f"{page}: no title" for page, seen in light.items() if not seen.facts["title"].strip()])
    chapters = {page: seen.facts for page, seen in light.items() if page.startswith("book/")}
    assert_none([f"{page}: no description" for page, facts in chapters.items() if not facts["description"].strip()])


@pytest.mark.parametrize("fault", ["foreign", "failed", "complaints"])
def test_pages_load_from_their_own_host_without_complaint(
    light: dict[str, Visit], dark: dict[str, Visit], fault: str
) -> None:
    assert_none(named(light, fault) + named(dark, fault))


@pytest.mark.parametrize("fault", ["untypeset", "broken", "unnamed", "twice"])
def test_equations_images_and_ids_are_whole(light: dict[str, Visit], fault: str) -> None:
    assert_none(named(light, "facts", fault))


def test_links_and_anchors_resolve(book: Book, light: dict[str, Visit]) -> None:
    faults = []
    for page, seen in light.items():
        for link in seen.facts["links"]:
            if not link.startswith(book.address):
                if urlsplit(link).scheme not in ("https", "http", "mailto", "javascript"):
                    faults.append(f"{page}: {link}")
                continue
            address, anchor = urldefrag(link.removeprefix(book.address))
            target = unquote(urlsplit(address).path) or "index.html"
            if not (book.html / target).is_file():
                faults.append(f"{page}: {target} does not exist")
            elif anchor and target in light and unquote(anchor) not in light[target].facts["ids"]:
                faults.append(f"{page}: {target} has no #{anchor}")
    assert_none(faults)


def test_nothing_sticks_out_on_a_phone_or_tablet(light: dict[str, Visit]) -> None:
    assert_none(named(light, "wide"))


def test_a_page_weighs_little_and_nothing_but_its_style_holds_it_up(book: Book) -> None:
    with book.browser.new_context(viewport={"width": 412, "height": 823}) as context:
        for page in book.pages():
            tab = context.new_page()
            devtools, sizes = context.new_cdp_session(tab), list[int]()
            devtools.send("Network.enable")
            devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
            devtools.on("Network.loadingFinished", lambda done, sizes=sizes: sizes.append(done["encodedDataLength"]))
            tab.goto(book.address + page, wait_until="load")
            assert len(sizes) > 5, page
            assert sum(sizes) <= 500_000, f"{page} transfers {sum(sizes):,.0f} bytes on first view"
            holding = "entry => entry.renderBlockingStatus === 'blocking' ? [entry.name.split('/').pop()] : []"
            held = tab.evaluate(f"() => performance.getEntriesByType('resource').flatMap({holding})")
            allowed = {"style.css", "playground.css"} | ({*held} if page == "search.html" else set())
            assert set(held) <= allowed, f"{page} waits for {held}"
            tab.close()


def test_in_the_text_only_what_scrolls_is_a_tab_stop(book: Book) -> None:
    idle = "nodes => nodes.filter(node => node.tabIndex < 0 || node.scrollWidth <= node.clientWidth)"
    with book.browser.new_context(viewport={"width": 390, "height": 844}) as context:
        tab = context.new_page()
        tab.goto(f"{book.address}book/02-three-forces.html", wait_until="load")
        tab.evaluate(TWO_FRAMES)
        assert tab.locator(".bd-article pre").count() > 10
        assert not tab.locator(".bd-article [tabindex]").evaluate_all(
            f"{idle}.map(node => node.outerHTML.slice(0, 90))"
        )


def test_axe_finds_nothing_against_wcag(light: dict[str, Visit], dark: dict[str, Visit]) -> None:
    assert_none(named(light, "violations") + named(dark, "violations"))


def test_light_and_dark_both_render(light: dict[str, Visit], dark: dict[str, Visit]) -> None:
    assert {(seen.shades["theme"], seen.shades["ground"] > 0.8) for seen in light.values()} == {("light", True)}
    assert {(seen.shades["theme"], seen.shades["ground"] < 0.1) for seen in dark.values()} == {("dark", True)}
    assert_none(named(light, "shades", "faint") + named(dark, "shades", "faint"))


def test_the_root_leads_to_the_front_page(book: Book) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        tab.goto(book.address)
        tab.wait_for_url("**/book/index.html", timeout=5000)


@pytest.mark.parametrize(
    ("words", "page"), [("superposition", "glossary"), ("C7a", "ledger"), ("E3", "appendix-adamw")]
)
def test_search_finds_words_and_claims(book: Book, words: str, page: str) -> None:
    with book.browser.new_context() as context:
        tab = context.new_page()
        tab.goto(f"{book.address}search.html?q={words}")
        tab.wait_for_selector(f"#search-results li a[href*='{page}']", timeout=10000)


def test_the_book_opens_from_the_file_system(book: Book) -> None:
    visits = visit_all(book, book.html.resolve().as_uri() + "/", "light")
    for fault in ("foreign", "failed", "complaints"):
        assert_none(named(visits, fault))
    for fault in ("untypeset", "broken"):
        assert_none(named(visits, "facts", fault))


def test_every_chapter_downloads_as_a_notebook_that_says_how_to_run_it(book: Book) -> None:
    chapters = sorted((book.html / "_sources" / "book").glob("*.ipynb"))
    assert len(chapters) >= 8
    with book.browser.new_context() as context:
        tab = context.new_page()
        for chapter in chapters:
            tab.goto(f"{book.address}book/{chapter.stem}.html")
            assert tab.locator(f"a[href$='_sources/book/{chapter.name}']").count() == 1
            first = json.loads(chapter.read_text(encoding="utf-8"))["cells"][0]
            assert "How to run this chapter." in "".join(first["source"])


def test_what_a_phone_lays_out_later_is_there_when_asked_for(book: Book) -> None:
    # A link into a chapter leads there and stays there; whoever scrolls, or looks at the page as a whole, sees all.
    whole = "() => 'whole' in document.documentElement.dataset"
    top = "() => document.getElementById('verdicts').getBoundingClientRect().top"
    with book.browser.new_context(viewport={"width": 390, "height": 844}) as context:
        for asked_for in ("scroll", "resize"):
            tab = context.new_page()
            tab.goto(f"{book.address}book/04-counting-collisions.html")
            assert not tab.evaluate(whole)
            height = tab.evaluate("() => document.documentElement.scrollHeight")
            if asked_for == "scroll":
                tab.evaluate("() => { location.hash = 'verdicts'; }")
                tab.wait_for_function(whole, timeout=10000)
                assert 0 <= tab.evaluate(top) <= 80  # below the page's head
            else:
                tab.set_viewport_size({"width": 390, "height": 2000})
                tab.wait_for_function(whole, timeout=1000)
            assert tab.evaluate("() => document.documentElement.scrollHeight") == pytest.approx(height, rel=0.15)


def test_a_page_that_is_loaded_again_keeps_the_readers_place(book: Book) -> None:
    where = "() => document.getElementById('verdicts').getBoundingClientRect().top"
    for width, height in ((390, 844), (1280, 800)):
        with book.browser.new_context(viewport={"width": width, "height": height}) as context:
            tab = context.new_page()
            tab.goto(f"{book.address}book/03-race-inside-a-row.html")
            tab.mouse.wheel(0, 6000)
            tab.wait_for_selector("html[data-whole]", state="attached", timeout=10000)
            tab.locator(".explore input").first.wait_for(state="attached")
            before = tab.evaluate(where)
            tab.reload()
            tab.wait_for_selector("html[data-whole]", state="attached", timeout=10000)
            tab.locator(".explore input").first.wait_for(state="attached")
            tab.wait_for_timeout(500)
            assert tab.evaluate(where) == pytest.approx(before, abs=2)
