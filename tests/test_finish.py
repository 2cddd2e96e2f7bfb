"""Rendered pages made light."""

import re
import shutil
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from PIL import Image

from poly.press import finish, sheet
from poly.press.chapters import PressError

ROOT = Path(__file__).parents[1]
SOLID = "_static/vendor/fontawesome/webfonts/fa-solid-900.ttf"
PAGE = """<html><head>
  <link href="_static/theme.css?digest=1" rel="stylesheet" />
<link rel="stylesheet" type="text/css" href="_static/book.css?v=2" />
  <script src="_static/documentation_options.js?v=1"></script>
  <script src="_static/doctools.js?v=1"></script>
  <script>DOCUMENTATION_OPTIONS.pagename = 'page';</script>
  <script src="_static/searchtools.js"></script>
  <script defer src="_static/scripts/fontawesome.js?digest=1"></script>
</head><body class="used">
<p>So <span class="math notranslate nohighlight">\\(a &lt; b_i\\)</span> holds.</p>
<div class="math notranslate nohighlight" id="equation-one">
<span class="eqno">(1)<a href="#equation-one">#</a></span>\\[\\begin{split}a \\\\ b\\end{split}\\]</div>
<div class="highlight"><pre><span class="n">x</span> <span class="o">=</span> <span class="mi">1</span>
<span class="sa">f</span><span class="s2">"</span><span class="s2">a</span></pre></div>
<a href="_images/dot.png"><img alt="a dot" src="_images/dot.png"/></a>
</body></html>"""
SHEET = """/* first */ /*! keep me */ @import "basic.css";
.used, .unused { color: red } .unused > .used { color: blue } p.used:not(.unused) { margin: 0 }
@media print { .unused { color: red } #equation-one { color: red } } @media screen { .unused { color: red } }
@font-face { font-family: "Font Awesome 6 Free"; src: url(x.woff2) }
[href] { --asked: 1; --idle: 2; --chain: var(--idle); top: var(--asked) }
.used[open] { top: 1px } [data-gone], tt, So { top: 0 }
.used:before { content: "\\f0c9" } @keyframes spin { from { top: 0 } }"""
SCRIPT = """!function(){"complete"===document.readyState?Y():window.addEventListener("load",Y)}();
//# sourceMappingURL=pydata-sphinx-theme.js.map"""


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    files = {
        "page.html": PAGE,
        "search.html": PAGE,
        "_static/theme.css": SHEET,
        "_static/basic.css": "body { margin: 1px }",
        "_static/book.css": ".used-later { top: 0; & b { top: 1px } }",  # a class that a script makes
        "_static/documentation_options.js": "const DOCUMENTATION_OPTIONS = {};\n",
        "_static/scripts/pydata-sphinx-theme.js": SCRIPT,
        "_static/scripts/fontawesome.js": "const unused = 1;",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / SOLID).parent.mkdir(parents=True)
    (tmp_path / SOLID).write_bytes((theme / "vendor/fontawesome/webfonts/fa-solid-900.ttf").read_bytes())
    (tmp_path / "_images").mkdir()
    Image.new("RGBA", (30, 20), (255, 0, 0, 255)).save(tmp_path / "_images" / "dot.png")
    return tmp_path


def test_equations_are_mathml_and_keep_their_number(rendered: Path) -> None:
    finish.finish(rendered)
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert "\\(" not in page
    assert "\\[" not in page
    inline, display = re.findall(r"<math.*?</math>", page, re.S)
    assert "<mi>a</mi><mo>&lt;</mo><msub><mi>b</mi><mi>i</mi></msub>" in inline
    assert 'display="block"' in display
    assert 'display="block"' not in inline
    assert re.search(r'id="equation-one">\s*<span class="eqno">\(1\)<a.*?</a></span><div class="equation"><math', page)
    css = (rendered / "_static" / sheet.NAME).read_text(encoding="utf-8")
    assert "url(equations/stix-two-math.woff)" in css
    assert 'href: "_static/equations/stix-two-math.woff"' in page
    assert ".tml-jot" in css
    assert ".tml-cancelto" not in css


def test_no_line_breaks_between_an_equation_and_what_stands_at_it(rendered: Path) -> None:
    text = PAGE.replace("<p>So ", "<p>So (").replace(
        "</span> holds.", "</span>), and <span class='math'>\\(c\\)</span> so"
    )
    (rendered / "page.html").write_text(text, encoding="utf-8")
    finish.finish(rendered)
    page = (rendered / "page.html").read_text(encoding="utf-8")
    tied = re.findall(r'<span class="tied">(.*?)</span>', page, re.S)
    assert len(tied) == 1
    assert re.fullmatch(r"\(<math alttext=.*</math>\),", tied[0])


def test_equations_say_their_tex(rendered: Path) -> None:
    finish.finish(rendered)
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert '<math alttext="a &lt; b_i">' in page
    assert '<math alttext="\\begin{split}a \\\\ b\\end{split}" display="block"' in page


def test_icons_are_not_read_out_and_the_viewport_is_set_once(rendered: Path) -> None:
    icons = '<i class="fas fa-file"></i><span class="fa-solid fa-bars"></span><i class="fa-x" aria-hidden="true"></i>'
    twice = '<meta name="viewport" content="width=1"/>'
    text = (
        PAGE.replace("<head>", f"<head>{twice}{twice}").replace("</head>", f"{twice}</head>").replace("</body>", icons)
    )
    (rendered / "page.html").write_text(text, encoding="utf-8")
    finish.finish(rendered)
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert page.count('name="viewport"') == 1
    assert page.count('aria-hidden="true"') == 3
    assert '<i class="fas fa-file" aria-hidden="true"></i>' in page


def test_a_comma_separates_numbers_as_in_tex(rendered: Path) -> None:
    (rendered / "page.html").write_text(PAGE.replace("a &lt; b_i", "(0.8,0.6) + 10{,}000"), encoding="utf-8")
    finish.finish(rendered)
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert '<mn>0.8</mn><mo separator="true">,</mo><mn>0.6</mn>' in page
    assert "10" in page


@pytest.mark.parametrize(
    ("wrong", "says"), [("\\foo", "\\foo"), ("{", "Expected '}'"), ("\\frac 1", "argument"), ("a_", "missing")]
)
def test_an_equation_that_tex_cannot_read_is_named_with_its_page(rendered: Path, wrong: str, says: str) -> None:
    (rendered / "page.html").write_text(PAGE.replace("a &lt; b_i", wrong), encoding="utf-8")
    with pytest.raises(PressError, match=r"^page\.html: ") as error:
        finish.finish(rendered)
    assert says in str(error.value).partition(" in the equation ")[0]
    assert str(error.value).endswith(repr(wrong))


def test_one_style_sheet_holds_what_some_page_can_use(rendered: Path) -> None:
    finish.finish(rendered)
    css = re.sub(r"\s+", " ", (rendered / "_static" / sheet.NAME).read_text(encoding="utf-8"))
    kept = ["body{margin:1px}", ".used{color:red}", "p.used:not(.unused){margin:0}", "@media print {#equation-one"]
    kept += [
        "[href]{--asked:1;top:var(--asked)}",
        ".used[open]{top:1px}",
        "@keyframes spin",
        ".used-later{top:0;& b { top: 1px }}",
        "/*! keep me",
    ]
    for rule in kept:
        assert rule in css, rule
    for gone in ("blue", "--idle", "--chain", "[data-gone]", "tt{", "So{"):
        assert gone not in css, gone
    assert "@media screen" not in css
    assert "/* first" not in css
    assert css.count("@font-face{") == 2  # icons and equations
    assert css.index("body{") < css.index(".used{color") < css.index(".used-later")
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'href="([^"]*css[^"]*)"', page) == [f"_static/{sheet.NAME}"]
    assert not (rendered / "_static" / "theme.css").exists()


def test_the_icon_font_holds_the_icons_in_use_under_no_name_of_its_own(rendered: Path) -> None:
    finish.finish(rendered)
    with TTFont(rendered / "_static" / sheet.ICONS) as font:
        assert list(font.getBestCmap()) == [0xF0C9]
        assert not {1, 3, 4, 6} & {record.nameID for record in font["name"].names}
    assert (rendered / "_static" / sheet.ICONS).stat().st_size < 2000


def test_the_font_of_equations_holds_the_signs_in_use_with_their_sizes(rendered: Path) -> None:
    equation = "\\theta \\mathbb E \\sum x \\sqrt 2 \\bigl( h"
    (rendered / "page.html").write_text(PAGE.replace("a &lt; b_i", equation), encoding="utf-8")
    finish.finish(rendered)
    with TTFont(rendered / "_static" / "equations" / "stix-two-math.woff") as font:
        held = set(map(chr, font.getBestCmap()))
        sizes = font["MATH"].table.MathVariants.VertGlyphConstruction
        assert not {1, 3, 4, 6} & {record.nameID for record in font["name"].names}
    # A browser shows single letters as the italic signs of the font, and draws a radical sign that no letter asks for.
    assert {"θ", "𝜃", "𝔼", "∑", "𝑥", "ℎ", "√", "("} <= held
    assert not {"Q", "𝑄", "ψ"} & held
    assert max(len(each.MathGlyphVariantRecord) for each in sizes) > 3


def test_licenses_of_what_the_pages_carry_lie_beside_it(rendered: Path) -> None:
    finish.finish(rendered)
    texts = [path.read_text(encoding="utf-8") for path in (rendered / "_static" / "licenses").glob("*.txt")]
    assert len(texts) >= 6
    assert all("Copyright" in text or "copyright" in text for text in texts)


def test_scripts_wait_for_the_page_and_spare_it_what_it_does_not_use(rendered: Path) -> None:
    finish.finish(rendered)
    page, search = ((rendered / name).read_text(encoding="utf-8") for name in ("page.html", "search.html"))
    assert re.findall(r'<script([^>]*) src="_static/(\w+)\.js', page) == [(" defer", "doctools")]
    assert page.index("const DOCUMENTATION_OPTIONS") < page.index("DOCUMENTATION_OPTIONS.pagename")
    assert re.findall(r'src="_static/(\w+)\.js', search) == ["documentation_options", "doctools", "searchtools"]
    assert (rendered / "_static/scripts/pydata-sphinx-theme.js").read_text(encoding="utf-8") == "!function(){0}();\n"


def test_a_theme_that_is_not_the_known_one_is_refused(rendered: Path) -> None:
    (rendered / "_static/scripts/pydata-sphinx-theme.js").write_text("other()", encoding="utf-8")
    with pytest.raises(PressError, match=r"pydata-sphinx-theme\.js is not the script"):
        finish.finish(rendered)


def test_a_table_has_one_row_of_heads_that_say_of_what(rendered: Path) -> None:
    import pandas as pd

    named = pd.DataFrame({"count": [1]}, index=pd.Index([256], name="m")).to_html()
    plain = pd.DataFrame({"count": [1]}, index=[256]).to_html()
    (rendered / "page.html").write_text(PAGE.replace("</body>", f"{named}{plain}</body>"), encoding="utf-8")
    finish.finish(rendered)
    page = re.sub(r"\s*\n\s*", "", (rendered / "page.html").read_text(encoding="utf-8"))
    body = '<th scope="col">count</th></tr></thead><tbody><tr><th scope="row">256</th><td>1</td></tr></tbody>'
    assert f'<th scope="col">m</th>{body}' in page
    assert f"<td></td>{body}" in page


def test_pictures_are_lossless_and_sized_and_code_keeps_its_colors(rendered: Path) -> None:
    finish.finish(rendered)
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert '<img loading="lazy" decoding="async" width="30" height="20" alt="a dot" src="_images/dot.webp"/>' in page
    assert '<a href="_images/dot.webp"><img' in page
    with Image.open(rendered / "_images" / "dot.webp") as image:
        assert (image.mode, image.getpixel((29, 19))) == ("RGB", (255, 0, 0))
    assert '<pre>x = <span class="mi">1</span>\n<span class="s2">f"a</span></pre>' in page


def test_two_books_from_the_same_pages_are_equal(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "book"
    shutil.copytree(rendered, other)
    finish.finish(rendered)
    finish.finish(other)
    files = [path for path in sorted(rendered.rglob("*")) if path.is_file()]
    assert len(files) >= 7
    for path in files:
        assert path.read_bytes() == (other / path.relative_to(rendered)).read_bytes(), path.name
