"""Pages that lead old addresses to new ones."""

import json
import re
from pathlib import Path

import pytest

from poly.press.chapters import PressError
from poly.press.render import redirects
from poly.press.render.postprocess import page_files, parsed

PAGES = {
    "book/06-noise.html": '<title>Noise &amp; more</title><div id="fig-c7-rise"></div><p id="what-it-means"></p>',
    "book/appendix.html": '<title>Checks</title><article id="claim-Z1"></article><div id="equation-eq-a"></div>',
    "search.html": '<i id="claim-none"></i>',
}


def written(folder: Path, old: dict[str, str]) -> Path:
    for name, text in PAGES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    redirects.write(folder, {path: parsed(path) for path in page_files(folder)}, old)
    return folder


def test_the_script_knows_the_page_of_every_permanent_id(tmp_path: Path) -> None:
    script = (written(tmp_path, {}) / "_static" / redirects.SCRIPT).read_text(encoding="utf-8")
    table = json.loads(script.partition("const pages = ")[2].partition(";\n")[0])
    assert table == {"fig-c7-rise": "06-noise", "claim-Z1": "appendix", "equation-eq-a": "appendix"}


def test_an_old_page_leads_to_its_successor_without_scripts_too(tmp_path: Path) -> None:
    page = parsed(written(tmp_path, {"07-noise": "06-noise"}) / "book" / "07-noise.html")
    assert page.select_one("html[data-moved='06-noise'] script[src='../_static/moved.js']")
    link = page.select_one("main a[href='06-noise.html']")
    assert link
    assert link.get_text() == "Noise & more"
    assert page.select_one("noscript meta[content='0; url=06-noise.html']")


@pytest.mark.parametrize(
    ("old", "says"),
    [
        ({"06-noise": "appendix"}, "moved.yml: 06-noise is a page of the book"),
        ({"07-noise": "09-none"}, "moved.yml: 07-noise leads to 09-none, which is no page of the book"),
    ],
)
def test_an_address_that_cannot_lead_anywhere_is_refused(tmp_path: Path, old: dict[str, str], says: str) -> None:
    with pytest.raises(PressError, match=re.escape(says)):
        written(tmp_path, old)


@pytest.mark.parametrize("text", ["- 07-noise", "07-noise: 6", "../x: 06-noise", "07-noise: a/b"])
def test_a_list_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / redirects.LIST).write_text(text, encoding="utf-8")
    with pytest.raises(PressError, match=r"moved\.yml: must map the name of each old page"):
        redirects.read(tmp_path)


def test_a_book_without_a_list_has_no_old_pages(tmp_path: Path) -> None:
    assert redirects.read(tmp_path) == {}
