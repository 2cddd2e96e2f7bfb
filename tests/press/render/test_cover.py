"""The cover, from a figure's recorded weights."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from poly.press.chapters import Page, PressError
from poly.press.figures import figure_data
from poly.press.render import cover

PAGE = Page("book/05-x", Path("05-x.ipynb"))
WEIGHTS = np.zeros((3, 2, 6))
WEIGHTS[0] = [[0.1, -0.2, 0.15, 0.01, 0.02, 0.03], [-0.1, 0.05, -0.1, 0.2, -0.03, 0.001]]
WEIGHTS[1] = WEIGHTS[0]
WEIGHTS[2, :, 2] = 1, -1
SERIES = {
    "cover_weights": WEIGHTS,
    "cover_neurons": np.array([3, 7, 40, 12, 13, 14]),
    "favorite_neurons": np.array([7, 12]),
    "shared_neuron": np.array([40]),
}


def drawn(series: dict[str, Any], name: str = cover.FIGURE) -> dict[str, str]:
    figure = {"name": name, "data": figure_data.pack(series, "exact"), "alt": "a", "caption": "c"}
    output = new_output("display_data", metadata={"poly": {"figure": figure}})  # type: ignore[no-untyped-call]
    return cover.tables({PAGE: new_notebook(cells=[new_code_cell("", outputs=[output])])})  # type: ignore[no-untyped-call]


def test_it_has_a_picture_for_each_moment_and_one_line_for_each_weight_that_can_be_seen() -> None:
    root = ElementTree.fromstring(drawn(SERIES)["cover"])
    assert root.attrib["role"] == "img"
    assert [svg.findall("text")[-1].text for svg in root] == list(cover.TITLES)
    first, _, last = ([line.attrib for line in svg.findall("line")] for svg in root)
    assert len(first) == 11  # 0.001 is too small beside 0.2
    assert {line["class"] for line in first} == {"cover-plus", "cover-minus"}
    widest = [line for line in first if line["stroke-width"] == "10.0"]
    assert {(line["x1"], line["x2"]) for line in widest} == {("90", "30"), ("210", "270")}  # each favorite on its side
    assert {line["x2"] for line in last} == {"174"}
    assert [line["class"] for line in last] == ["cover-plus", "cover-minus"]


def test_a_favorite_that_is_shared_stands_once() -> None:
    for favorites in ([40, 12], [7, 40], [40, 40], [7, 7]):
        lanes = cover._lanes([3, 7, 40, 12, 13, 14], favorites, 40)
        assert sorted(lanes) == [3, 7, 12, 13, 14, 40]
        assert lanes[0] == favorites[0]


def test_a_figure_without_the_weights_is_an_error_and_another_figure_no_cover() -> None:
    with pytest.raises(PressError, match="05-x: fig-c5-life has no series 'shared_neuron', which the cover shows"):
        drawn({name: values for name, values in SERIES.items() if name != "shared_neuron"})
    assert drawn(SERIES, "fig-other") == {}
