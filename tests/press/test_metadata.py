"""Test that invalid notebooks, and metadata that the press does not write, give one line that names the file."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poly.press import build, chapters, metadata
from poly.press.chapters import PressError
from poly.press.check import stored_outputs
from poly.press.figures import figure_data
from small_book import RECORD, make_book, outputs_of

RUN = {
    "commit": "abc", "package": "0" * 64, "requirements": "0" * 64, "seeds": {"seed": 0}, "python": "3.11.2",
    "libraries": {"numpy": "2"}, "processor": "one", "cores": 2, "memory_gib": 8.0, "date": "2026-01-31 10:00 UTC",
    "seconds": 1.5, "peak_memory_gib": 0.1, "cells": [0.1, 1],
}  # fmt: skip


FIGURE = {"name": "fig-a", "alt": "seen", "caption": "C", "theme": "keep", "width": 480}


Change = Callable[[dict[str, Any]], object]


def whole() -> dict[str, Any]:
    """Return, as JSON data, a notebook with everything that the press keeps in metadata."""
    figure = FIGURE | {"data": figure_data.pack({"x": [1]}, "exact")}
    notebook = outputs_of({"poly": {"figure": figure}}, {"poly": {"claim": RECORD}}, {"poly": {"caption": True}}, {})
    made: dict[str, Any] = json.loads(chapters.notebook_text(notebook))
    made["metadata"] = {"poly": {"key": "k", "python": "3.11", "provenance": copy.deepcopy(RUN)}, "papermill": {}}
    made["cells"][1]["metadata"] |= {"poly": {"small": {"n": 2}}, "papermill": {"duration": None}}
    made["cells"][2]["metadata"]["mystnb"] = {"image": {"alt": "seen"}}
    return made


def output(notebook: dict[str, Any], number: int) -> dict[str, Any]:
    """Return the press's metadata of an output."""
    told: dict[str, Any] = notebook["cells"][2]["outputs"][number]["metadata"]["poly"]
    return told


SHAPES: list[Change] = [
    lambda n: n.update(cells=None),
    lambda n: n.update(cells=5),
    lambda n: n.update(cells=["x"]),
    lambda n: n.update(cells={}),
    lambda n: n.pop("cells"),
    lambda n: n.update(metadata=None),
    lambda n: n.update(nbformat=3, worksheets=[]),
    lambda n: n.update(nbformat=5),
    lambda n: n.update(nbformat="4"),
    lambda n: n.update(nbformat=None),
    lambda n: n.pop("nbformat"),
    lambda n: n["cells"][1].update(source=5),
    lambda n: n["cells"][1].update(source=None),
    lambda n: n["cells"][1].update(source=[5]),
    lambda n: n["cells"][0].update(source={}),
    lambda n: n["cells"][1].update(metadata=None),
    lambda n: n["cells"][1]["metadata"].update(tags=None),
    lambda n: n["cells"][1]["metadata"].update(tags="parameters"),
    lambda n: n["cells"][1]["metadata"].update(tags=[5]),
    lambda n: n["cells"][1].update(outputs=None),
    lambda n: n["cells"][1].update(outputs=[5]),
    lambda n: n["cells"][1].update(execution_count="1"),
    lambda n: n["cells"][2]["outputs"][0].update(data=None),
    lambda n: n["cells"][2]["outputs"][0].update(output_type="shown"),
    lambda n: n["cells"][1].update(cell_type="cod"),
]


PRESS: list[tuple[Change, str]] = [
    (lambda n: n["metadata"].update(poly=5), "metadata: poly=5, must be a mapping"),
    (lambda n: n["metadata"].update(poly=None), "metadata: poly=None, must be a mapping"),
    (lambda n: n["metadata"].update(papermill=[]), r"metadata: papermill=\[\], must be a mapping"),
    (lambda n: n["metadata"]["poly"].update(key=5), "metadata, poly: key=5, must be a text"),
    (lambda n: n["metadata"]["poly"].update(provenance="x"), "metadata, poly: provenance='x', must be a mapping"),
    (lambda n: n["metadata"]["poly"]["provenance"].pop("date"), "provenance: date is missing, must be a text"),
    (lambda n: n["metadata"]["poly"]["provenance"].update(seconds="5"), "seconds='5', must be a finite number"),
    (lambda n: n["metadata"]["poly"]["provenance"].update(seconds=10**400), "seconds=1000*…, must be a finite number"),
    (lambda n: n["metadata"]["poly"]["provenance"].update(cells=None), "cells=None, must be a list of numbers"),
    (lambda n: n["metadata"]["poly"]["provenance"].update(seeds=[1]), r"seeds=\[1\], must be a mapping"),
    (lambda n: n["cells"][1]["metadata"].update(poly=5), "cell 2: poly=5, must be a mapping"),
    (lambda n: n["cells"][1]["metadata"]["poly"].update(small=5), "cell 2, poly: small=5, must be a mapping"),
    (
        lambda n: n["cells"][1]["metadata"]["papermill"].update(duration="x"),
        "duration='x', must be a number of seconds",
    ),
    (lambda n: n["cells"][2]["metadata"].update(mystnb=5), "cell 3: mystnb=5, must be a mapping"),
    (lambda n: n["cells"][2]["metadata"]["mystnb"].update(image=5), "cell 3, mystnb: image=5, must be a mapping"),
    (lambda n: n["cells"][2]["outputs"][3]["metadata"].update(poly=5), "cell 3, an output: poly=5, must be a mapping"),
    (lambda n: output(n, 0).update(figure=5), "figure=5, must be a mapping"),
    (lambda n: output(n, 0)["figure"].pop("name"), "figure None: its name must be letters"),
    (lambda n: output(n, 0)["figure"].update(name="../x"), "figure '../x': its name must be letters"),
    (lambda n: output(n, 0)["figure"].update(alt=5), "figure 'fig-a': alt=5, must be a text that is not empty"),
    (lambda n: output(n, 0)["figure"].update(caption=" "), "caption=' ', must be a text that is not empty"),
    (lambda n: output(n, 0)["figure"].update(width="1; x"), "width='1; x', must be a whole number ≥ 0"),
    (lambda n: output(n, 0)["figure"].update(explore=5), "explore=5, must be a mapping"),
    (lambda n: output(n, 1).update(claim=None), "claim=None, must be a mapping"),
    (lambda n: output(n, 1)["claim"].pop("low"), "claim: low is missing, must be a finite number"),
    (lambda n: output(n, 1)["claim"].update(high=float("inf")), "claim: high=inf, must be a finite number"),
    (lambda n: output(n, 1)["claim"].update(low=True), "claim: low=True, must be a finite number"),
    (
        lambda n: output(n, 1)["claim"].update(verdict="<b>open</b>"),
        "claim: verdict='<b>open</b>', must be one of conf",
    ),
    (lambda n: output(n, 1)["claim"].update(verdict=["open"]), r"claim: verdict=\['open'\], must be one of conf"),
    (lambda n: output(n, 1)["claim"].update(id='C1"><b'), "claim: id='C1\"><b', must be letters, digits"),
    (lambda n: output(n, 1)["claim"].update(seeds=-1), "claim: seeds=-1, must be a whole number"),
    (lambda n: output(n, 1)["claim"].update(seeds=True), "claim: seeds=True, must be a whole number"),
    (lambda n: output(n, 1)["claim"].update(interval=5), "claim: interval=5, must be a text"),
]


def test_what_the_press_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "01-one.ipynb"
    path.write_text(json.dumps(whole()), encoding="utf-8")
    metadata.check(chapters.read_notebook(path))


@pytest.mark.parametrize("change", range(len(SHAPES) + len(PRESS)))
def test_a_notebook_of_another_form_is_one_line(change: int, tmp_path: Path) -> None:
    book = make_book(tmp_path)
    path = book / "book" / "01-one.ipynb"
    notebook = whole()
    changed, says = [*((shape, "") for shape in SHAPES), *PRESS][change]
    changed(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    pages = chapters.read_pages(book)[1:]
    with pytest.raises(PressError, match=f"^01-one.ipynb is not a valid notebook: .*{says}") as caught:
        chapters.read_notebook(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    for command in (lambda: build.build_stored(book), lambda: stored_outputs.faults(book, pages)):
        with pytest.raises(PressError, match=r"^01-one.ipynb is not a valid notebook: "):
            command()
