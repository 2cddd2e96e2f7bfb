"""A notebook is the same with the line ends of any system inside its cells."""

import json
from pathlib import Path

import pytest

from poly.press import record
from poly.press.chapters import notebook_text, read_notebook
from poly.press.execute import cache_key
from poly.press.render import chapter_page, notebook_page

ROOT = Path(__file__).parents[2]
CHAPTER = ROOT / "book" / "02-three-forces.ipynb"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("lines", [False, True])
def test_line_ends_inside_cells_change_nothing(end: str, lines: bool, tmp_path: Path) -> None:
    notebook = json.loads(CHAPTER.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).replace("\n", end)
        cell["source"] = source.splitlines(keepends=True) if lines else source
    other = tmp_path / CHAPTER.name
    other.write_text(json.dumps(notebook), encoding="utf-8")
    assert end in json.loads(other.read_text(encoding="utf-8"))["cells"][0]["source"][0 if lines else slice(None)]

    found, expected = read_notebook(other), read_notebook(CHAPTER)
    assert notebook_text(found) == notebook_text(expected)
    assert cache_key.chapter_key(ROOT, found) == cache_key.chapter_key(ROOT, expected)
    pages = [
        chapter_page.add_claims(
            notebook_page.for_the_page(each, "02-three-forces"), "02-three-forces", record.registered(ROOT), {}
        )
        for each in (found, expected)
    ]
    assert notebook_text(pages[0]) == notebook_text(pages[1])
