import json
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from poly.press.chapters import Page, PressError
from poly.press.render import run_time

BENCH: dict[str, Any] = {
    "machine": {"processor": "P", "cores": 2, "threads": 2, "peak_gflops_float32": 170.4, "peak_gflops_float64": 73.2},
    "f2": {"ratio": 83.4, "our_s": 100.0, "textbook_s": 8340.0, "quick": False},
    "adamw": {"ratio": 4.96, "our_step_s": 0.0237, "textbook_step_s": 0.109, "share_of_peak_float32": 0.77},
    "exponents": {"n": 1.75, "m": 0.9, "theory": {"n": 2, "m": 1}},
    "cuda": {"skipped": "no CUDA device on this machine"},
}
LINES = [
    "up to 4,096 neurons, 16 networks at every width), against 7,500 AdamW steps of the textbook, extrapolated from "
    "some of them | **83×**: 1 min 40 s against 2 h 19 min |",
    "16 networks | **5.0×**: 24 ms against 109 ms, 77% of the peak |",
    "| n to the 1.75, m to the 0.90 |",
    "| no CUDA device on this machine |",
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("book/data", "_build"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def executed(seconds: float) -> dict[Page, Any]:
    """Return a chapter of two cells, with the stamp of its run."""
    stamp = {"processor": "P", "cores": 2, "python": "3.11.9", "seconds": seconds, "peak_memory_gib": 1.26}
    cells = [new_code_cell("import <x>\ny = 1"), new_code_cell("z = 2")]  # type: ignore[no-untyped-call]
    notebook = new_notebook(cells=cells)  # type: ignore[no-untyped-call]
    notebook.metadata["poly"] = {"provenance": stamp | {"cells": [seconds - 0.5, 0.5]}}
    return {Page("book/01-one", Path("x")): notebook}


def filled(root: Path, notebooks: dict[Page, Any]) -> str:
    return "\n".join(run_time.tables(root, notebooks).values())


def test_the_page_shows_what_was_measured_here_before_what_is_kept(root: Path) -> None:
    (root / "book/data/bench.json").write_text(json.dumps(BENCH), encoding="utf-8")
    text = filled(root, executed(83.0))
    assert "On P, 2 cores, Python 3.11.9:" in text
    assert "| {doc}`/book/01-one` | 1 min 23 s | 1.3 GiB |\n" in text
    assert "<tr><td>1</td><td><code>import &lt;x&gt;</code></td><td>1 min 22 s</td></tr>" in text
    assert "<tr><td></td><td>the other 1</td><td>0.5 s</td></tr>" in text
    assert "on the machine that recorded this book's outputs: 2 cores, P, where" in text
    for line in LINES:
        assert line in text
    assert "noisy steps" not in text  # F5 was not measured

    (root / "_build/bench.json").write_text(
        json.dumps(BENCH | {"cuda": BENCH["cuda"] | {"quick": True}}), encoding="utf-8"
    )
    text = filled(root, {})
    assert text.startswith("Not measured for this copy.\n")
    assert "Measured here, partly in quick runs with few repetitions: 2 cores" in text


def test_without_measurements_the_page_says_so(root: Path) -> None:
    assert "Not measured yet." in filled(root, {})


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps(BENCH | {"f2": {}}), json.dumps(BENCH | {"f5": 3})])
def test_a_file_that_is_no_result_is_one_clear_line(root: Path, text: str) -> None:
    (root / "_build/bench.json").write_text(text, encoding="utf-8")
    line = r"^_build/bench\.json: not a result of this project's benchmarks .* makes a new one$"
    with pytest.raises(PressError, match=line):
        filled(root, {})
