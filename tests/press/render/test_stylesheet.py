"""The one style sheet and the two fonts of the pages, which hold what the pages use."""

import re
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from poly.press.chapters import PressError
from poly.press.render import postprocess, stylesheet
from press.render.tiny_page import EQUATION, PAGE, mathml


def test_one_style_sheet_holds_what_some_page_can_use(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    css = re.sub(r"\s+", " ", (rendered / "_static" / stylesheet.NAME).read_text(encoding="utf-8"))
    kept = ["body{margin:1px}", ".used{color:red}", "p.used:not(.unused){margin:0}", "@media print{#equation-one"]
    kept += [
        "[href]{--asked:1;top:var(--asked)}",
        ".used[open]{top:1px}",
        "@keyframes spin",
        ".used-later{top:0;& b{top:1px}}",
        "/*! keep me",
        ":focus-visible{top:2px}",
        "a[aria-current=true]{top:4px}",
        ".show{top:5px}",
    ]
    for rule in kept:
        assert rule in css, rule
    for gone in ("blue", "--idle", "--chain", "[data-gone]", "tt{", "So{", ":hover"):
        assert gone not in css, gone
    assert "@media screen" not in css
    assert "/* first" not in css
    assert css.count("@font-face{") == 2  # icons and equations
    assert css.index("body{") < css.index(".used{color") < css.index(".used-later")
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^"]*css[^"]*)"', page) == [f"_static/{stylesheet.NAME}"]
    assert not (rendered / "_static" / "theme.css").exists()


def test_the_icon_font_holds_the_icons_in_use_under_no_name_of_its_own(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    with TTFont(rendered / "_static" / stylesheet.ICONS) as font:
        assert list(font.getBestCmap()) == [0xF0C9]
        assert not {1, 3, 4, 6} & {record.nameID for record in font["name"].names}
    assert (rendered / "_static" / stylesheet.ICONS).stat().st_size < 2000


def test_the_font_of_equations_holds_the_signs_in_use_with_their_sizes(rendered: Path) -> None:
    equation = "\\theta \\mathbb E \\sum x \\sqrt 2 \\bigl( h"
    (rendered / "page.html").write_text(PAGE.replace(EQUATION, mathml(equation)), encoding="utf-8")
    postprocess.postprocess(rendered, {})
    with TTFont(rendered / "_static" / "equations" / "stix-two-math.woff") as font:
        held = set(map(chr, font.getBestCmap()))
        sizes = font["MATH"].table.MathVariants.VertGlyphConstruction
        assert not {1, 3, 4, 6} & {record.nameID for record in font["name"].names}
    # A browser shows single letters as the italic signs of the font, and draws a radical sign that no letter asks for.
    assert {"θ", "𝜃", "𝔼", "∑", "𝑥", "ℎ", "√", "("} <= held
    assert not {"Q", "𝑄", "ψ"} & held
    assert max(len(each.MathGlyphVariantRecord) for each in sizes) > 3


def test_licenses_of_what_the_pages_carry_lie_beside_it(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    texts = [path.read_text(encoding="utf-8") for path in (rendered / "_static" / "licenses").glob("*.txt")]
    assert len(texts) >= 6
    assert all("Copyright" in text or "copyright" in text for text in texts)


@pytest.mark.parametrize(
    ("sheet", "says"), [("a { top: 0", "theme.css:1:1: Unclosed block"), ("@import 'x.css'", "x.css")]
)
def test_a_style_sheet_that_cannot_be_read_is_named(rendered: Path, sheet: str, says: str) -> None:
    (rendered / "_static/theme.css").write_text(sheet, encoding="utf-8")
    with pytest.raises(PressError, match=rf"^the style sheets: .*{says}"):
        postprocess.postprocess(rendered, {})
