"""The notebook that a page shows."""

from typing import Any

import nbformat

from poly.press import chapters
from poly.press.figures import figure_data
from poly.press.render import notebook_page
from small_book import chapter, outputs_of


def test_each_figure_gets_a_cell_of_its_own() -> None:
    about = {"alt": "seen", "caption": "C", "data": figure_data.pack({"x": [1]}, "exact")}
    figures = [{"poly": {"figure": about | {"name": name}}} for name in ("fig-a", "fig-b")]
    notebook = outputs_of({}, figures[0], {"poly": {"caption": True}}, figures[1], {}, {})
    cells = notebook_page.for_the_page(notebook, "01-one").cells[2:]
    assert [cell.source for cell in cells] == ["draw()", "", "", ""]
    assert [len(cell.outputs) for cell in cells] == [1, 1, 1, 2]
    names = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells]
    assert names == [None, "fig-a", "fig-b", None]
    assert [cell.metadata.get("tags") for cell in cells] == [None, *([["remove-input"]] * 3)]
    assert len({cell.id for cell in cells}) == 4
    alone = notebook_page.for_the_page(outputs_of(figures[0], {"poly": {"caption": True}}), "01-one").cells[2:]
    assert [cell.source for cell in alone] == ["draw()"]
    assert alone[0].metadata["mystnb"]["image"] == {"alt": "seen"}


def output(**data: str) -> Any:
    kinds = {notebook_page.WIDGET if kind == "widget" else f"text/{kind}": text for kind, text in data.items()}
    shown = {"output_type": "display_data", "data": kinds, "metadata": {}}
    return nbformat.from_dict(shown)  # type: ignore[no-untyped-call]


def test_saved_states_of_widgets_do_not_reach_the_page() -> None:
    notebook = chapter("One", "slider")
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    notebook.cells[2].outputs = [output(widget="x"), output(widget="x", plain="IntSlider(value=0)")]
    page = notebook_page.for_the_page(notebook, "01-one")
    assert "widget" not in chapters.notebook_text(page)
    assert [each.data for each in page.cells[2].outputs] == [{"text/plain": "IntSlider(value=0)"}]
