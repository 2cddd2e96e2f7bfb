import json
import platform
from pathlib import Path
from typing import Any

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output

from poly.press import figure_data, reproduce, verify
from poly.press.chapters import Page, PressError, notebook_text
from poly.press.execute import THREAD_VARIABLES


def notebook(text: str = "12", value: float = 1.0, verdict: str = "confirmed") -> Any:
    """A chapter of one cell that prints, draws and checks a claim."""
    figure = {
        "name": "fig-a",
        "alt": "seen",
        "caption": "C",
        "data": figure_data.pack({"y": [value]}, "rounding", 1e-3),
    }
    claim = {
        "id": "A",
        "statement": "s",
        "chapter": "01-one",
        "predicted": 1.0,
        "seeds": 3,
        "blind": True,
        "measured": value,
        "low": 0.5,
        "high": 2.5,
        "verdict": verdict,
    }
    outputs = [
        new_output("stream", text=f"first\n{text}\n<x at 0x7f00>"),  # type: ignore[no-untyped-call]
        new_output("display_data", data={"text/plain": "f"}, metadata={"poly": {"figure": figure}}),  # type: ignore[no-untyped-call]
        new_output("display_data", data={"text/plain": "c"}, metadata={"poly": {"claim": claim}}),  # type: ignore[no-untyped-call]
    ]
    cell = new_code_cell("run()", outputs=outputs, metadata={"tags": ["parameters"], "poly": {"small": {"n": 2}}})  # type: ignore[no-untyped-call]
    return new_notebook(cells=[cell])  # type: ignore[no-untyped-call]


def test_two_equal_runs_differ_in_nothing_but_addresses() -> None:
    other = notebook()
    other.cells[0].outputs[0].text = other.cells[0].outputs[0].text.replace("7f00", "8a01")
    assert reproduce.compare(notebook(), other) == []


def test_lines_cards_and_figures_are_compared() -> None:
    assert reproduce.compare(notebook(), notebook("13")) == ["cell 1 says '13', and said '12'"]
    card, figure = reproduce.compare(notebook(), notebook(value=1.5))
    assert card.startswith("claim A: ")
    assert figure.startswith("fig-a, series 'y'[0]: stored 1, now 1.5, allowed are ±0.001 of it (rounding)")
    assert reproduce.compare(notebook(), notebook(verdict="open"))[0].startswith("claim A: ")


def test_figures_are_held_against_the_stored_ones(tmp_path: Path) -> None:
    page = Page("book/01-one", tmp_path / "01-one.ipynb")
    page.path.write_text(notebook_text(notebook()), encoding="utf-8")
    folder = tmp_path / "new"
    folder.mkdir()
    assert reproduce.figure_faults([page], folder) == (["01-one, fig-a, was not drawn"], 1)
    for value, faults in ((1.0, 0), (1.0005, 0), (1.01, 1)):
        packed = figure_data.pack({"y": [value]}, "rounding", 1e-3)
        (folder / "fig-a.json").write_text(json.dumps(packed), encoding="utf-8")
        assert len(reproduce.figure_faults([page], folder)[0]) == faults


def test_kept_perturbations_are_read_by_figure_and_series(tmp_path: Path) -> None:
    assert reproduce.perturbed(tmp_path) == {}
    path = tmp_path / reproduce.PERTURBED
    path.parent.mkdir(parents=True)
    runs = [
        {"moved": {"fig-a": {"x": 0.5, "y": 0.0}}},
        {"moved": {"fig-a": {"x": 0.25, "y": 1.0}, "fig-b": {"z": 2.0}}},
    ]
    path.write_text(json.dumps({"runs": runs}), encoding="utf-8")
    assert reproduce.perturbed(tmp_path) == {"fig-a": {"x": 0.5, "y": 1.0}, "fig-b": {"z": 2.0}}


def test_the_small_grid_is_in_the_parameters_cell() -> None:
    assert reproduce.small(notebook()) == {"n": 2}
    assert reproduce.small(new_notebook()) == {}  # type: ignore[no-untyped-call]


def test_on_small_grids_perturbation_tells_what_may_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text hangs on rounding, the figure's number does not."""
    runs = {"plain": notebook(), "perturbed": notebook("13"), "oldest": notebook("14")}
    monkeypatch.setattr(reproduce, "read_pages", lambda _: [])
    monkeypatch.setattr(reproduce, "find_chapters", lambda *_: [Page("book/01-one", tmp_path)])
    monkeypatch.setattr(reproduce, "run_small", lambda root, pages, variant, name, variables=None: [runs[name]])
    moved = ["seed 7: 01-one, cell 1 says '13', and said '12'"]
    assert reproduce.reduced(tmp_path, [7]) == reproduce.Small([], moved)
    runs["oldest"] = notebook("14", value=1.5)
    faults = reproduce.reduced(tmp_path, [7]).faults
    assert [line.split("]")[0] for line in faults if "claim" not in line] == ["01-one, fig-a, series 'y'[0"]
    assert len(faults) == 2
    runs["perturbed"] = notebook()
    assert len(reproduce.reduced(tmp_path, [7]).faults) == 3


def test_variants_set_threads_instructions_and_a_fresh_hash_seed() -> None:
    found = reproduce.Variant(2, "avx2").variables()
    assert {found[name] for name in THREAD_VARIABLES} == {"2"}
    assert found["ATEN_CPU_CAPABILITY"] == "avx2"
    seeds = {reproduce.Variant(1, "native").variables()["PYTHONHASHSEED"] for _ in range(5)}
    assert len(seeds) > 1
    assert str(reproduce.Variant(1, "native")) == "1 thread, native"
    assert str(reproduce.Variant(2, "default")) == "2 threads, default"


def test_the_matrix_is_threads_by_instruction_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for capability, sets in (("AVX2", 3), ("AVX512", 4)):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda found=capability: found)
        assert len(set(reproduce.variants())) == 2 * sets
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert set(reproduce.variants()) == {reproduce.Variant(1, "native"), reproduce.Variant(2, "native")}


def test_the_page_shows_the_kept_table(tmp_path: Path) -> None:
    assert reproduce.tables(tmp_path) == {"variants": "Not run yet.\n"}

    kept = tmp_path / reproduce.KEPT
    kept.parent.mkdir(parents=True)
    row = {
        "threads": 1,
        "instructions": "avx2",
        "cells": "3 of 4",
        "figures": "1 of 1",
        "faults": ["01-one, Cell 2 differs"],
    }
    kept.write_text(json.dumps({"book": {"commit": "abc"}, "processor": "P", "variants": [row]}), encoding="utf-8")
    text = reproduce.tables(tmp_path)["variants"]
    assert "Run on P at commit abc." in text
    assert "| 1 | avx2 | 3/4 | 1/1 | 01-one, Cell 2 differs |\n" in text

    kept.write_text("[]", encoding="utf-8")
    with pytest.raises(PressError, match=r"^book/data/reproduce\.json: not a result of `make reproduce`"):
        reproduce.tables(tmp_path)


# A reader's verification


def record(**changes: Any) -> dict[str, Any]:
    return {"id": "A", "measured": 1.0, "low": 0.5, "high": 2.5, "verdict": "confirmed"} | changes


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (record(), "held"),
        (record(measured=1.1), "moved by +0.1, 5% of its interval"),
        (record(low=0.4), "moved by +0, 0% of its interval"),
        (record(verdict="open"), "fell: confirmed is now open"),
        (None, "fell: not measured"),
    ],
)
def test_a_claim_holds_moves_or_falls(now: dict[str, Any] | None, says: str) -> None:
    assert verify.compare(record(), now)[3] == says


def test_a_claim_without_an_interval_moves_by_so_much() -> None:
    exact = {"low": 1.0, "high": 1.0}
    assert verify.compare(record(**exact), record(measured=1.5, low=1.5, high=1.5))[3] == "moved by +0.5"
