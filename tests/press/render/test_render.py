from poly.press import render
from poly.press.figures import figure_data
from small_book import outputs_of


def test_each_figure_gets_a_cell_of_its_own() -> None:
    about = {"alt": "seen", "caption": "C", "data": figure_data.pack({"x": [1]}, "exact")}
    figures = [{"poly": {"figure": about | {"name": name}}} for name in ("fig-a", "fig-b")]
    notebook = outputs_of({}, figures[0], {"poly": {"caption": True}}, figures[1], {}, {})
    cells = render.for_the_page(notebook, "01-one").cells[2:]
    assert [cell.source for cell in cells] == ["draw()", "", "", ""]
    assert [len(cell.outputs) for cell in cells] == [1, 1, 1, 2]
    names = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells]
    assert names == [None, "fig-a", "fig-b", None]
    assert [cell.metadata.get("tags") for cell in cells] == [None, *([["remove-input"]] * 3)]
    assert len({cell.id for cell in cells}) == 4
    alone = render.for_the_page(outputs_of(figures[0], {"poly": {"caption": True}}), "01-one").cells[2:]
    assert [cell.source for cell in alone] == ["draw()"]
    assert alone[0].metadata["mystnb"]["image"] == {"alt": "seen"}
