"""Test figures' names, which name files in five places: none leads to another folder, made or read."""

import json
from pathlib import Path
from typing import Any

import pytest

from poly.press import build, chapters, figures, render
from poly.press.chapters import PressError
from poly.press.check import snapshots as against
from poly.press.figures import figure_data
from small_book import chapter, contents, make_book, outputs_of, write

EVIL: list[Any] = [
    "../../../../../evil",
    "../evil",
    "..",
    "/tmp/evil",
    "fig/../../evil",
    "sub/fig",
    "..\\evil",
    "C:evil",
    "fig-a.b",
    "fig-a\0",
    "fig-a\n",
    "fig a",
    "fïg",
    "con",
    "Nul",
    "-fig",
    "f" * 65,
    "",
    " ",
    None,
    5,
    ["fig-a"],
]


def figure(name: Any) -> dict[str, Any]:
    data = figure_data.pack({"x": [1]}, "exact")
    return {"name": name, "alt": "seen", "caption": "C", "data": data}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    root = tmp_path / "a" / "b" / "root"
    root.mkdir(parents=True)
    return make_book(root)


@pytest.mark.parametrize("name", EVIL)
def test_a_stored_name_that_leads_elsewhere_stops_every_command(book: Path, name: Any) -> None:
    notebook = outputs_of({"poly": {"figure": figure(name)}})
    for file, stored in (("01-one", notebook), ("02-two", chapter("Plain"))):
        for count, cell in enumerate(stored.cells[1:], 1):
            cell.execution_count = count
        write(book / f"book/{file}.ipynb", stored)
    target = book / "_build" / "test" / "figures"
    target.mkdir(parents=True)
    (target.parent.parent / "evil.json").write_text("kept")
    before = contents(book.parents[2])
    pages = chapters.read_pages(book)[1:2]
    line = r"figure .*: its name must be letters, digits, '-' and '_'"
    with pytest.raises(PressError, match=line) as caught:
        build.build_stored(book)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("01-one")
    with pytest.raises(PressError, match=line):
        against.figure_faults(pages, target)
    with pytest.raises(PressError, match=line):
        against.chapters(book, pages, {})
    with pytest.raises(PressError, match=f"^01-one: {line}"):
        render.render(book, book / "_build", pages, {pages[0]: notebook})
    assert contents(book.parents[2]) == before
    assert (target.parent.parent / "evil.json").read_text() == "kept"


@pytest.mark.parametrize("name", EVIL)
def test_no_figure_of_such_a_name_is_made(name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(figures.FOLDER, str(tmp_path / "figures"))
    fig, _ = figures.subplots()
    with pytest.raises(ValueError, match=r"^figure .*: its name must be letters, digits, '-' and '_', at most 64"):
        figures.show(fig, name, data={"x": [1]}, level="exact", alt="seen", caption="C")
    assert contents(tmp_path) == {}


def test_names_that_differ_only_in_case_are_one_file_on_some_systems(book: Path) -> None:
    _, one, two = chapters.read_pages(book)
    notebooks = {one: outputs_of({"poly": {"figure": figure("fig-A")}})}
    notebooks[two] = outputs_of({"poly": {"figure": figure("fig-a")}})
    with pytest.raises(PressError, match=r"^02-two: figure 'fig-a' is shown in 01-one already, names are unique$"):
        render.render(book, book / "_build", [one, two], notebooks)


def test_the_names_of_this_book_are_as_allowed() -> None:
    root = Path(__file__).parents[3]
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((root / "book").glob("*.ipynb"))]
    cells = [cell for notebook in stored for cell in notebook["cells"]]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    names = [output["metadata"]["poly"]["figure"]["name"] for output in outputs if "data" in output
             and "figure" in output["metadata"].get("poly", {})]  # fmt: skip
    assert len(names) > 40
    for name in names:
        figure_data.check_name(name)
