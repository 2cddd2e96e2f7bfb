"""Test that rendered pages are made small."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from poly.press.chapters import PressError
from poly.press.render import postprocess, stylesheet
from press.render.tiny_page import EQUATION, PAGE, SCRIPT


def test_equations_come_with_their_font_and_style(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert page.count("<math") == 2
    assert f"<p>So {EQUATION} holds.</p>" in page
    css = (rendered / "_static" / stylesheet.NAME).read_text(encoding="utf-8")
    assert "url(equations/stix-two-math.woff)" in css
    assert 'href: "_static/equations/stix-two-math.woff"' in page
    assert ".tml-jot" in css
    assert ".tml-cancelto" not in css


def test_icons_are_not_read_out_and_the_viewport_is_set_once(rendered: Path) -> None:
    icons = '<i class="fas fa-file"></i><span class="fa-solid fa-bars"></span><i class="fa-x" aria-hidden="true"></i>'
    twice = '<meta name="viewport" content="width=1"/>'
    text = (
        PAGE.replace("<head>", f"<head>{twice}{twice}").replace("</head>", f"{twice}</head>").replace("</body>", icons)
    )
    (rendered / "page.html").write_text(text, encoding="utf-8")
    postprocess.postprocess(rendered, {})
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert page.count('name="viewport"') == 1
    assert page.count('aria-hidden="true"') == 3
    assert '<i class="fas fa-file" aria-hidden="true"></i>' in page


def test_scripts_wait_for_the_page_and_spare_it_what_it_does_not_use(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    page, search = ((rendered / name).read_text(encoding="utf-8") for name in ("page.html", "search.html"))
    assert re.findall(r'<script([^>]*) src="_static/(\w+)\.js', page) == [(' defer=""', "doctools")]
    assert page.index("const DOCUMENTATION_OPTIONS") < page.index("DOCUMENTATION_OPTIONS.pagename")
    assert re.findall(r'src="_static/(\w+)\.js', search) == ["documentation_options", "doctools", "searchtools"]


def test_a_role_that_is_shown_as_text_is_refused(rendered: Path) -> None:
    shown = PAGE.replace("</body>", "<figcaption>In {glue:text}`a.ipynb::b:s` of</figcaption></body>")
    (rendered / "page.html").write_text(shown, encoding="utf-8")
    with pytest.raises(PressError, match=r"^page\.html shows {glue:text}`a\.ipynb::b:s` as text: a role must stand in"):
        postprocess.postprocess(rendered, {})


def test_code_may_show_a_role(rendered: Path) -> None:
    code = PAGE.replace("</body>", "<p>Write <code>{ref}`a`</code>, {n} or `x`.</p></body>")
    (rendered / "page.html").write_text(code, encoding="utf-8")
    postprocess.postprocess(rendered, {})
    assert "<code>{ref}`a`</code>" in (rendered / "page.html").read_text(encoding="utf-8")


def test_the_script_of_the_theme_stays_as_it_is(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    script = (rendered / "_static/scripts/pydata-sphinx-theme.js").read_text(encoding="utf-8")
    assert script == SCRIPT.partition("\n//# sourceMappingURL")[0] + "\n"


def test_a_table_has_one_row_of_heads_that_say_of_what(rendered: Path) -> None:
    import pandas as pd

    named = pd.DataFrame({"count": [1]}, index=pd.Index([256], name="m")).to_html()
    plain = pd.DataFrame({"count": [1]}, index=[256]).to_html()
    (rendered / "page.html").write_text(PAGE.replace("</body>", f"{named}{plain}</body>"), encoding="utf-8")
    postprocess.postprocess(rendered, {})
    page = re.sub(r"\s*\n\s*", "", (rendered / "page.html").read_text(encoding="utf-8"))
    body = '<th scope="col">count</th></tr></thead><tbody><tr><th scope="row">256</th><td>1</td></tr></tbody>'
    assert f'<th scope="col">m</th>{body}' in page
    assert f"<td></td>{body}" in page


def test_pictures_are_lossless_and_sized_and_code_keeps_its_colors(rendered: Path) -> None:
    postprocess.postprocess(rendered, {})
    page = (rendered / "page.html").read_text(encoding="utf-8")
    assert '<img loading="lazy" decoding="async" width="30" height="20" alt="a dot" src="_images/dot.webp"/>' in page
    assert '<a href="_images/dot.webp"><img' in page
    with Image.open(rendered / "_images" / "dot.webp") as image:
        assert (image.mode, image.getpixel((29, 19))) == ("RGB", (255, 0, 0))
    assert '<pre>x = <span class="mi">1</span>\n<span class="s2">f"a</span></pre>' in page


def test_narrow_screens_load_the_picture_made_for_them(rendered: Path) -> None:
    figure = '<figure id="fig-dot"><a href="_images/dot.png"><img alt="a dot" src="_images/dot.png"/></a></figure>'
    (rendered / "page.html").write_text(PAGE.replace("</body>", f"{figure}</body>"), encoding="utf-8")
    Image.new("RGB", (15, 30)).save(rendered / "_images" / "fig-dot-narrow.png")
    postprocess.postprocess(rendered, {})
    page = (rendered / "page.html").read_text(encoding="utf-8")
    source = '<source media="(max-width: 576px)" srcset="_images/fig-dot-narrow.webp" width="15" height="30"/>'
    assert f'<a href="_images/dot.webp"><picture>{source}<img loading="lazy"' in page
    assert page.count("<picture>") == 1
    assert (rendered / "_images" / "fig-dot-narrow.webp").is_file()
    css = (Path(__file__).parents[3] / "book" / "assets" / "book.css").read_text(encoding="utf-8")
    assert f"@media {postprocess.ON_NARROW} {{ .bd-article figure picture img" in css


def test_two_books_from_the_same_pages_are_equal(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "book"
    shutil.copytree(rendered, other)
    postprocess.postprocess(rendered, {})
    postprocess.postprocess(other, {})
    files = [path for path in sorted(rendered.rglob("*")) if path.is_file()]
    assert len(files) >= 7
    for path in files:
        assert path.read_bytes() == (other / path.relative_to(rendered)).read_bytes(), path.name
