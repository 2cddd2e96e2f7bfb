"""One page of each kind in three browser engines. Each page is visited once; the tests check what was recorded."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from browser.test_pages import SHADES
from engines import Engine, chromium, firefox, listening, load, until, wait, webkit
from opened import Site, rendered, served

CHAPTER = "book/03-race-inside-a-row.html"  # equations, figures, a slider, notes in the margin
PLAYGROUND = "book/playground.html"
KINDS = [
    "book/index.html",
    CHAPTER,
    PLAYGROUND,
    "book/appendix-nulls.html",
    "book/reproducibility.html",
    "book/audit.html",
    "book/ledger.html",
    "book/glossary.html",
    "book/references.html",
    "search.html",
]
WIDTHS = range(320, 1601, 50)
MEASURES = (Path(__file__).parent / "measures.js").read_text(encoding="utf-8")
HIGHEST = 2.0  # px between the baseline of an equation and that of its line

# What the page has, and what of it is there but not to be seen.
FACTS = """() => {
  const [equations, images] = [[...document.querySelectorAll('math')], [...document.images]];
  const flat = node => node.checkVisibility() && (({width, height}) => !width || !height)(node.getBoundingClientRect());
  const lost = equations.filter(flat).concat(images.filter(image => !image.naturalWidth));
  return [document.title, equations.length, lost.map(node => node.outerHTML.slice(0, 100))];
}"""
BASELINES = f"() => {{ {MEASURES} return document.querySelector('.bd-article') ? baselines() : []; }}"
PRIMES = f"() => {{ {MEASURES} return primes(); }}"
NARROWEST = 0.35  # of a prime, in the size of what it marks: at half of that m′ looks like m
# Boxes learn of a new width in the frame that follows.
OVERFLOW = f"""async () => {{
  {MEASURES}
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  return [innerWidth, overflow()];
}}"""
SAID = """() => {
  const said = document.querySelector('.playground-status')?.textContent.match(/Step ([\\d,]+):/);
  return said ? Number(said[1].replace(',', '')) : null;
}"""
PRESS = """() => [...document.querySelectorAll('.playground-bar button')]
  .find(button => button.textContent === '%s').click()"""
# A page that was opened draws one picture in a frame. Their hash, for pytest takes minutes to compare long texts.
PICTURES = """async () => {
  for (let frame = 0; frame < 12; frame++) await new Promise(requestAnimationFrame);
  const drawn = [...document.querySelectorAll('#play canvas')].map(canvas => canvas.toDataURL()).join();
  return [...drawn].reduce((hash, sign) => (31 * hash + sign.charCodeAt(0)) | 0, drawn.length);
}"""
# Reports that the reader's system asks for little motion.
LITTLE_MOTION = """() => {
  const {get} = Object.getOwnPropertyDescriptor(MediaQueryList.prototype, 'matches');
  Object.defineProperty(MediaQueryList.prototype, 'matches', {
    get() { return this.media.includes('reduced-motion') || get.call(this); },
  });
}"""
SLIDER = """() => ['output', ':scope > svg', '.explore-words']
  .map(part => document.querySelector('.explore').querySelector(part).innerHTML)"""


@dataclass
class Reader:
    """A browser engine, and the book that it reads."""

    engine: Engine
    site: Site

    def load(self, page: str) -> None:
        load(self.engine, self.site.address + page)


@dataclass
class Visit:
    """What was recorded in a visit to one page."""

    title: str
    equations: int  # in lines
    complaints: list[str]
    lost: list[str]
    high: list[str]
    wide: list[str]


@pytest.fixture(scope="module", params=["chromium", "firefox", "webkit"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with ExitStack() as stack:
        if request.param == "chromium":
            book = request.getfixturevalue("book")
            yield Reader(stack.enter_context(chromium(book)), book)
        else:
            engine = stack.enter_context(firefox() if request.param == "firefox" else webkit())
            folder = tmp_path_factory.mktemp(request.param)
            html = listening(rendered(), folder) if request.param == "webkit" else rendered()
            yield Reader(engine, stack.enter_context(served(html)))


@pytest.fixture(scope="module")
def visits(reader: Reader) -> dict[str, Visit]:
    return {page: visit(reader, page) for page in KINDS}


def visit(reader: Reader, page: str) -> Visit:
    reader.load(page)
    engine = reader.engine
    title, _, lost = engine.run(FACTS)
    lines, complaints, wide = engine.run(BASELINES), engine.heard(), list[str]()
    high = [f"{each['what']} stands {each['above']:.1f} px high" for each in lines if abs(each["above"]) > HIGHEST]
    for width in WIDTHS:
        engine.resize(width)
        inner, found = engine.run(OVERFLOW)
        assert inner == width, f"{page} is {inner} px wide, not {width}"
        wide += [f"{width} px: {found['page']} px too wide"] if found["page"] > 0 else []
        wide += [f"{width} px: cut off {note}" for note in found["notes"]]
    return Visit(title, len(lines), complaints, lost, high, wide)


def says(engine: Engine, step: int) -> bool:
    """Return whether the playground says that it is at this step."""
    return bool(engine.run(SAID) == step)


def assert_none(found: dict[str, list[str]]) -> None:
    faults = [f"{page}: {fault}" for page, each in found.items() for fault in each]
    assert not faults, "\n" + "\n".join(faults)


def test_pages_load_from_their_own_host_without_complaint(visits: dict[str, Visit]) -> None:
    assert_none({page: seen.complaints for page, seen in visits.items()})
    assert all(seen.title for seen in visits.values())


def test_equations_and_images_are_drawn(visits: dict[str, Visit]) -> None:
    assert_none({page: seen.lost for page, seen in visits.items()})


def test_equations_stand_on_their_line(visits: dict[str, Visit]) -> None:
    assert_none({page: seen.high for page, seen in visits.items()})
    assert visits[CHAPTER].equations > 20


def test_primes_can_be_seen(reader: Reader) -> None:
    reader.load(CHAPTER)
    primes = reader.engine.run(PRIMES)
    assert primes
    assert not [prime for prime in primes if prime["width"] < NARROWEST]


def test_text_has_a_serif_of_every_system(reader: Reader) -> None:
    reader.load(CHAPTER)
    family = reader.engine.run("() => getComputedStyle(document.querySelector('.bd-article section > p')).fontFamily")
    for name in ("Charter", "Sitka Text", "Noto Serif", "Source Serif", "Georgia"):  # Apple, Windows, Linux, any
        assert name in family


def test_nothing_is_wider_than_the_window(visits: dict[str, Visit]) -> None:
    assert_none({page: seen.wide for page, seen in visits.items()})


@pytest.mark.parametrize("motion", ["as ever", "little"])
def test_the_step_that_is_shown_is_the_step_that_is_said(reader: Reader, motion: str) -> None:
    engine = reader.engine
    reader.load(f"{PLAYGROUND}?n=8&m=16")
    until(lambda: engine.run(SAID) == 0, "the playground does not start")
    shown = {0: engine.run(PICTURES)}
    if motion == "little":
        engine.run(LITTLE_MOTION)
    for _ in range(3):
        engine.run(PRESS % "Step")
    until(lambda: engine.run(SAID) == 3, "three steps are not made")
    shown[3] = engine.run(PICTURES)
    engine.run(PRESS % "Play")
    until(lambda: engine.run(SAID) > 20, "it does not play")
    engine.run(PRESS % "Pause")
    shown[engine.run(SAID)] = engine.run(PICTURES)
    for step, pictures in shown.items():
        reader.load(f"{PLAYGROUND}?n=8&m=16&step={step}")
        until(functools.partial(says, engine, step), f"the link does not lead to step {step}")
        assert engine.run(PICTURES) == pictures, f"step {step} looks otherwise"
    assert len(set(shown.values())) == 3


def test_a_slider_moves_by_the_keyboard(reader: Reader) -> None:
    engine = reader.engine
    reader.load(CHAPTER)
    wait(engine, "() => document.querySelector('.explore input') !== null")
    engine.run("() => document.querySelector('.explore input').focus()")
    engine.press("Home")
    wait(engine, "() => document.querySelector('.explore input').value === '0'")
    before = engine.run(SLIDER)
    engine.press("ArrowRight")
    wait(engine, "() => document.querySelector('.explore input').value === '1'")
    assert all(now != then for now, then in zip(engine.run(SLIDER), before, strict=True))


def test_search_finds_a_word(reader: Reader) -> None:
    reader.load("search.html?q=superposition")
    wait(reader.engine, "() => document.querySelector(`#search-results li a[href*='glossary']`) !== null")


@pytest.mark.parametrize("page", [CHAPTER, PLAYGROUND])
def test_the_theme_can_be_dark(reader: Reader, page: str) -> None:
    engine = reader.engine
    reader.load(page)
    for _ in range(3):  # light, dark, as the system has it
        if engine.run(SHADES)["theme"] != "dark":
            engine.run("() => document.querySelector('.theme-switch-button').click()")
    until(lambda: (shades := engine.run(SHADES))["theme"] == "dark" and shades["ground"] < 0.1, "it stays light")
    until(lambda: not engine.run(SHADES)["faint"], "some text stands out too little")
    engine.run("() => localStorage.clear()")


def test_a_chapter_opens_from_the_file_system(reader: Reader) -> None:
    engine = reader.engine
    load(engine, (reader.site.html / CHAPTER).resolve().as_uri())
    wait(engine, "() => document.querySelector('.explore > svg') !== null")
    _, equations, lost = engine.run(FACTS)
    assert (engine.heard(), lost) == ([], [])
    assert equations > 30
