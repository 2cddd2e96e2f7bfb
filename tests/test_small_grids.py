import json
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_notebook

from notebooks import notebook
from poly.press import small_grids
from poly.press.chapters import Page
from poly.press.variants import Variant


def test_the_small_grid_is_in_the_parameters_cell() -> None:
    assert small_grids.small(notebook()) == {"n": 2}
    assert small_grids.small(new_notebook()) == {}  # type: ignore[no-untyped-call]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """What a run of a variant gives; the oldest instructions have the key "oldest", a seed its number."""
    found: dict[Any, Any] = {}

    def run(root: Path, pages: Any, variant: Variant) -> list[Any]:
        found.setdefault("asked", []).append(variant)
        oldest = "oldest" if variant.instructions == "default" else "plain"
        return [found.get(oldest if variant.perturbed is None else variant.perturbed, notebook())]

    (tmp_path / "_build").mkdir()
    monkeypatch.setattr(small_grids, "read_pages", lambda _: [])
    monkeypatch.setattr(small_grids, "find_chapters", lambda *_: [Page("book/01-one", tmp_path)])
    monkeypatch.setattr(small_grids, "_code", lambda *_: found.get("code", "a"))
    monkeypatch.setattr(small_grids, "run", run)
    return found


def test_small_grids_are_the_same_on_old_instructions_and_perturbed(runs: dict[Any, Any], tmp_path: Path) -> None:
    assert small_grids.check(tmp_path, 5) == []
    assert len(runs["asked"]) == 3
    runs |= {"oldest": notebook("13"), 5: notebook("14")}
    assert small_grids.check(tmp_path, 5) == [
        "oldest instructions: 01-one, cell 1 says '13', and said '12'",
        "perturbed with seed 5: 01-one, cell 1 says '14', and said '12'",
    ]


def test_perturbations_go_on_where_they_stopped(runs: dict[Any, Any], tmp_path: Path) -> None:
    runs[8] = notebook("13")
    line = "seed 8: 01-one, cell 1 says '13', and said '12'"
    assert small_grids.perturb(tmp_path, [], [7, 8]) == [line]
    assert len(runs["asked"]) == 3
    assert small_grids.perturb(tmp_path, [], [7, 8, 9]) == [line]
    assert len(runs["asked"]) == 5
    assert set(json.loads((tmp_path / small_grids.RESULT).read_text(encoding="utf-8"))["seeds"]) == {"7", "8", "9"}
    assert small_grids.kept(tmp_path) == []
    (tmp_path / "book" / "data").mkdir(parents=True)
    (tmp_path / small_grids.RESULT).rename(tmp_path / small_grids.KEPT)
    assert [len(each["faults"]) for each in small_grids.kept(tmp_path)] == [0, 1, 0]
    runs["code"] = "b"
    small_grids.perturb(tmp_path, [], [7])
    assert len(runs["asked"]) == 7
