"""No result is typed: a number in a chapter's prose is a setting, a prediction, a small whole number or a year.

Results change with the code, and typed ones stay behind; they are glued. The rule: whole numbers below ten are words; a
number between 1900 and 2099 is a year; any other must be in the chapter's code (a setting, written where the reader can
see it used) or be predicted by a claim of the chapter. Displayed equations and code are not prose; inline formulas are,
as far as they hold decimals.
"""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from poly.press import claims
from poly.press.chapters import find_chapters, read_notebook, read_pages

ROOT = Path(__file__).parents[2]
CHAPTERS = find_chapters(read_pages(ROOT), [])
LEDGER = claims.load(ROOT / "book" / "claims.yml")
# Also with a unit, or an exponent, right behind it; not inside a word or a name, as in C5 or 32-bit.
NUMBER = re.compile(r"(?<![\w.])[-−+]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?(?!-?bit)")
IN_FORMULA = re.compile(r"(?<![\w.^{])(?:\d[\d,{}]*\.\d+|\d{1,3}(?:\{,\}\d{3})+|\d{2,}(?![\d\^{]))")
# Places in this book and in others.
PLACE = re.compile(r"\b(?:sections?|chapters?|figures?|equations?|pages?|tables?|Python) [\d.]+\d", re.IGNORECASE)
# Code and displayed equations; of other fenced blocks the fences alone.
FENCED = re.compile(r"^```(?:\{(?:math|code-cell|figure)\}|(?!\{)).*?^```$|^`{3,}.*?$", re.DOTALL | re.MULTILINE)
# Drawings, code, displayed equations, roles, targets of links, labels.
NO_PROSE = re.compile(
    r"<svg.*?</svg>|\$\$.*?\$\$|\{[\w:-]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|https?://\S+|^\([\w-]+\)=$|^:\w+:.*$",
    re.DOTALL | re.MULTILINE,
)
FORMAT = re.compile(r"[,.\d]*[dfge%]|,")
FORMULA = re.compile(r"\$([^$]*)\$")


def value(text: str) -> float:
    return abs(float(re.sub(r"[,{}+−]|^-", "", text)))


def typed(text: str, settings: set[float]) -> list[str]:
    """Return the numbers in a markdown text that the rule does not allow, given the numbers in the code."""
    text = PLACE.sub(" ", NO_PROSE.sub(" ", FENCED.sub(" ", text)))
    found = [number for formula in FORMULA.findall(text) for number in IN_FORMULA.findall(formula)]
    bare = re.compile(r"[-−+]?[\d., ]*(\\?%)?")  # a formula that is no more than a number is prose
    words = FORMULA.sub(lambda match: match[1] if bare.fullmatch(match[1]) else " ", text)
    found += NUMBER.findall(words)
    return [number for number in found if not allowed(number, settings)]


def allowed(number: str, settings: set[float]) -> bool:
    small = value(number) < 10 and "." not in number
    return small or bool(re.fullmatch(r"(19|20)\d\d", number)) or value(number) in settings


def described(tree: ast.AST) -> list[ast.Constant]:
    """Return the constant texts in the alt texts and captions of figures, which are prose, too."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    said = [word.value for call in calls for word in call.keywords if word.arg in {"alt", "caption"}]
    nodes = [node for text in said for node in ast.walk(text)]
    formats = {id(part) for node in nodes if isinstance(node, ast.FormattedValue) for part in ast.walk(node)}
    parts = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in formats]
    return [part for part in parts if isinstance(part.value, str)]


def settings_of(sources: list[str]) -> set[float]:
    """Return the numbers in code and in its texts, but not those in alt texts and captions of figures."""
    found: set[float] = set()
    for tree in map(ast.parse, sources):
        prose = {id(part) for part in described(tree)}
        for node in (node for node in ast.walk(tree) if id(node) not in prose):
            constant: Any = getattr(node, "value", None) if isinstance(node, ast.Constant) else None
            if isinstance(constant, int | float):
                found.add(abs(float(constant)))
            elif isinstance(constant, str) and not FORMAT.fullmatch(constant):
                found |= {value(number) for number in NUMBER.findall(constant)}
    return found


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda page: page.name)
def test_no_result_is_typed(page: Any) -> None:
    cells = read_notebook(page.path).cells
    settings = settings_of([cell.source for cell in cells if cell.cell_type == "code"])
    for claim in LEDGER.values():
        if claim.chapter == page.name:
            settings |= {abs(each.value) for each in (claim.prediction, claim.alternative) if each}
    for cell in cells:
        if cell.cell_type == "markdown":
            assert typed(cell.source, settings) == [], f"{page.name}, cell {cell.id}: glue these numbers"
        else:
            for part in described(ast.parse(cell.source)):
                assert typed(str(part.value), settings) == [], f"{page.name}, {part.value!r}: compute these numbers"


def test_no_result_is_typed_on_the_front_page() -> None:
    cells = [cell for page in CHAPTERS for cell in read_notebook(page.path).cells if cell.cell_type == "code"]
    text = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    assert typed(text, settings_of([cell.source for cell in cells])) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is 2.60 times the formula's.", ["2.60"]),
        ("In 37 of 256 networks, or 14.5 %, we saw $0.62$.", ["37", "14.5"]),
        ("It is $m' \\approx 2.61$ there.", ["2.61"]),
        ("A slope of −1.98 (−1.99 to −1.97).", ["−1.98", "−1.99", "−1.97"]),
        ("We count 1,204 of them.", ["1,204"]),
        ("A slope of $-1.98$.", ["-1.98", "1.98"]),
        ("It is 2.60x faster, 37ms, .37 of it, 1.5e-4.", ["2.60", "37", ".37", "1.5e-4"]),
        ("We count $\\approx 37$, or $x = 37 \\pm 12$.", ["37", "37", "12"]),
        ("```{note}\nWe find 37 of them.\n```", ["37"]),
    ],
)
def test_typed_results_are_found(text: str, found: list[str]) -> None:
    assert sorted(typed(text, {256.0, 0.62})) == sorted(found)


@pytest.mark.parametrize(
    "text",
    [
        "Two of 3 forces; neurons 1 to 6; section 4.",
        "Published in 2023 {cite}`lecomte2023`, see {eq}`eq-17.5`.",
        "{glue:text}`c3_factor` times, or $2/(\\lambda t)^2$ and $10^{-3}$.",
        "`make chapter PARAMS='m=2048'` and [here](page-12.html).",
        "$$x = 1.28$$\n\n```{math}\n:label: eq-35\nL = 1.28\n```",
        "with $n = 256$ features and 7,500 steps at 0.001",
        "(ch-12)=\n# Title",
        "See section 4.2, chapter 10 and Figure 12; Python 3.11; in C13 and 64-bit numbers, $10^{12}$ and $x^{24}$.",
    ],
)
def test_settings_constants_years_and_references_are_allowed(text: str) -> None:
    assert typed(text, {256.0, 7500.0, 0.001}) == []


def test_what_is_said_of_a_figure_is_prose_and_no_setting() -> None:
    source = 'show(fig, "f", data={}, alt=f"It falls from {a:.1f} to 2.5.", caption="At 37 of them.", color="0.3")'
    assert settings_of([source]) == {0.3}
    tree = ast.parse(source)
    assert [typed(str(part.value), settings_of([source])) for part in described(tree)] == [[], ["2.5"], ["37"]]
