import json
from pathlib import Path
from typing import Any

import pytest

from notebooks import notebook
from poly.press.chapters import Page, PressError
from poly.press.check import comparison, reproduce, small_grids
from poly.press.render import rounding_tables


def row(**changes: Any) -> dict[str, Any]:
    found = {"processor": "P", "threads": 1, "instructions": "avx2", "perturbed": None, "chapter": "01-one", "key": "k"}
    found |= {"commit": "abc", "seconds": 60.0, "cells": [3, 4], "claims": [1, 1], "figures": [1, 1]}
    return found | {"faults": ["cell 2 says '1', and said '2'"]} | changes


def test_the_page_shows_what_is_kept(tmp_path: Path) -> None:
    empty = rounding_tables.tables(tmp_path, {})
    assert set(empty.values()) == {"No run of this version of the book is kept yet.\n"}

    kept = tmp_path / reproduce.KEPT
    kept.parent.mkdir(parents=True)
    moved = comparison.moves(notebook(), notebook(value=1.0005))
    runs = [row(), row(perturbed=7, moved=moved, faults=[])]
    kept.write_text(json.dumps({"runs": runs}), encoding="utf-8")
    tables = rounding_tables.tables(tmp_path, {Page("book/01-one", tmp_path): notebook()})
    assert "| abc | P | 1 | avx2 | 1 | 3/4 | 1/1 | 1/1 | 1 min 00 s | 01-one, cell 2 says " in tables["variants"]
    assert "| abc | P | 1 | avx2, seed 7 | 1 | 3/4 | 1/1 | 1/1 | 1 min 00 s | none |\n" in tables["perturbations"]
    assert "| {numref}`fig-a` | y | 0.0005 | 0.5 | rounding, 0.001 |\n" in tables["moved"]

    current = notebook()
    current.metadata["poly"] = {"key": "new"}
    moved = comparison.moves(notebook(), notebook(value=1.0002))
    kept.write_text(json.dumps({"runs": [*runs, row(perturbed=8, moved=moved, key="new")]}), encoding="utf-8")
    tables = rounding_tables.tables(tmp_path, {Page("book/01-one", tmp_path): current})
    assert "| {numref}`fig-a` | y | 0.0002 | 0.2 | rounding, 0.001 |\n" in tables["moved"]

    kept.write_text("[]", encoding="utf-8")
    with pytest.raises(PressError, match=r"reproduce\.json: not a result of `make reproduce`"):
        rounding_tables.tables(tmp_path, {})


def test_the_page_says_how_many_texts_perturbations_changed() -> None:
    pages = {Page("book/01-one", Path("one")): notebook()}
    assert rounding_tables.texts([row(perturbed=1)], pages).startswith("No run")
    said = rounding_tables.texts([row(perturbed=1, texts=["one"]), row(perturbed=2, texts=["gone"])], pages)
    assert said == (
        "The latest perturbations changed the text of 1 of the 1 cells. "
        "Of these, none say by how much their numbers may move.\n"
    )
    assert "changed the text of none of the 1 cells" in rounding_tables.texts([row(perturbed=1, texts=[])], pages)


def test_the_page_shows_the_winners_that_stay(tmp_path: Path) -> None:
    path = tmp_path / "again.json"
    point = {"sweep": "counts", "method": "flow", "n": 4, "l1": 0.1, "networks": 2, "other_count": 1}
    points = [point | {"m": m, "share": [1.0, 0.5], "shared": [1.0, 2.0]} for m in (4, 8)]
    points.append(
        {"sweep": "phases", "method": "adamw", "n": 4, "m": 4, "l1": 0.1, "networks": 2, "moved": {"dead": 0.1}}
    )
    path.write_text(json.dumps({"points": points}), encoding="utf-8")
    assert "| gradient flow | 4 | 4 to 8 | 0.1 | 4 | 75.00 (50.0) | 1.00, 2.00 | 2 |\n" in rounding_tables.winners(path)
    each = rounding_tables.winners(path, each=True)
    assert "| gradient flow | 4 | 4 | 0.1 | 2 | 75.00 (50.0) | 1.00, 2.00 | 1 |\n" in each
    assert "| gradient flow | 4 | 8 | 0.1 | 2 | 75.00 (50.0) | 1.00, 2.00 | 1 |\n" in each
    several = {name: value for name, value in point.items() if name != "l1"} | {"m": 4, "l1s": [0.1, 0.01]}
    path.write_text(json.dumps({"points": [several | {"shared": [1.0, 2.0]}]}), encoding="utf-8")
    assert "| gradient flow | 4 | 4 | 0.01 to 0.1 | 2 | not kept | 1.00, 2.00 | 1 |\n" in rounding_tables.winners(path)
    for changed in ({"isolated": True, "step_refinement": 4}, {"apart": True, "finer": 4}):
        path.write_text(json.dumps({"points": [points[0], points[0] | changed]}), encoding="utf-8")
        for each_size in (False, True):
            said = rounding_tables.winners(path, each=each_size)
            assert "| gradient flow | 4 " in said
            assert "| gradient flow, features apart, 4 times finer | 4 " in said
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(PressError, match=r"not what poly\.experiments\.perturbed_archive writes"):
        rounding_tables.winners(path)


def test_false_alarms_are_told_with_their_bound() -> None:
    seeds: list[small_grids.Perturbation] = [{"faults": [], "share": 0.2}, {"faults": ["a number"], "share": 1.2}]
    said = rounding_tables.false_alarms(seeds, (1, 3))
    assert said.startswith("Of 2 perturbations of all small grids, 1 reported anything (exact 95 % upper bound")
    assert "of the chance: 97 %). The number that came nearest to its bound moved by 120 % of what is allowed;" in said
    assert said.endswith("Since then 1 of the 3 chapters and appendices has changed.\n")
    assert "none reported anything" in rounding_tables.false_alarms(seeds[:1], (0, 3))
