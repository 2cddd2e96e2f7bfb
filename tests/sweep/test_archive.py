"""Sweeps stored in a file: the same table as when they are run, and only for the same question."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poly import sweep
from poly.experiments import adamw_archive, final_weights, flow_archive
from poly.press.chapters import read_notebook
from poly.sweep import archive

BOOK = Path(__file__).parents[2] / "book"
FOLDER = BOOK / "data" / "adamw-runs"
GRID: dict[str, Any] = {"n": [3, 4], "m": [8], "l1": [0.01], "method": ["flow"]}
PAIRED = ("l1", "method")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive.save(tmp_path / "kept-a.npz", final_weights.train, GRID, seeds=3, paired=PAIRED, store=None)
    return tmp_path


@pytest.fixture
def no_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("was run")

    monkeypatch.setattr(sweep, "sweep", refuse)


def test_what_is_kept_is_what_a_run_gives(folder: Path) -> None:
    run = sweep.sweep(final_weights.train, GRID, seeds=3, paired=PAIRED)
    found = archive.load_or_run(folder, final_weights.train, GRID, seeds=3, paired=PAIRED)
    pd.testing.assert_frame_equal(found, run)
    assert [value.dtype for value in found.iloc[0] if isinstance(value, np.ndarray)] == [
        value.dtype for value in run.iloc[0] if isinstance(value, np.ndarray)
    ]


def test_fewer_seeds_are_read(folder: Path, no_runs: None) -> None:
    assert archive.load_or_run(folder, final_weights.train, GRID, seeds=2, paired=PAIRED).seed.tolist() == [0, 1, 0, 1]


def test_points_are_read_in_the_order_asked_for(folder: Path, no_runs: None) -> None:
    found = archive.load_or_run(folder, final_weights.train, GRID | {"n": [4, 3]}, seeds=2, paired=PAIRED)
    assert [*zip(found.n, found.seed, strict=True)] == [(4, 0), (4, 1), (3, 0), (3, 1)]
    some = archive.load_or_run(folder, final_weights.train, GRID | {"n": [4]}, seeds=2, paired=PAIRED)
    pd.testing.assert_frame_equal(some, found[:2])
    assert all(len(np.unique(row.feature)) == row.n for row in found.itertuples())


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 4},
        {"grid": GRID | {"l1": [0.02]}},
        {"grid": GRID | {"n": [3, 5]}},
        {"grid": dict(reversed(GRID.items()))},
        {"paired": ("l1",)},
    ],
)
def test_another_sweep_is_run(folder: Path, no_runs: None, change: dict[str, Any]) -> None:
    asked: dict[str, Any] = {"grid": GRID, "seeds": 3, "paired": PAIRED} | change
    with pytest.raises(AssertionError, match="was run"):
        archive.load_or_run(folder, final_weights.train, asked.pop("grid"), **asked)


def test_recompute_ignores_kept_files(folder: Path, no_runs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(archive.RECOMPUTE, f"elsewhere,{folder.name}")
    with pytest.raises(AssertionError, match="was run"):
        archive.load_or_run(folder, final_weights.train, GRID, seeds=3, paired=PAIRED)


@pytest.mark.parametrize("seeds", [0, -1, 1.5, "3"])
def test_seeds_are_a_number(folder: Path, seeds: Any) -> None:
    with pytest.raises(ValueError, match=r"^seeds="):
        archive.load_or_run(folder, final_weights.train, GRID, seeds=seeds, paired=PAIRED)


def test_a_damaged_file_is_named(folder: Path) -> None:
    path = folder / "kept-a.npz"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"kept-a\.npz: no file of a kept sweep \("):
        archive.load_or_run(folder, final_weights.train, GRID, seeds=3, paired=PAIRED)


def test_a_failed_run_leaves_no_file(tmp_path: Path) -> None:
    grid: dict[str, Any] = {"n": [0], "m": [4], "l1": [0.1], "method": ["flow"]}
    with pytest.raises(sweep.CellError):
        archive.save(tmp_path / "kept-a.npz", final_weights.train, grid, seeds=1, paired=(), store=None)
    assert list(tmp_path.iterdir()) == []


def parameters(page: str) -> dict[str, Any]:
    path = BOOK / f"{page}.ipynb"
    (cell,) = [cell for cell in read_notebook(path).cells if "parameters" in cell.metadata.get("tags", [])]
    values: dict[str, Any] = {}
    exec(cell.source, values)  # the book's own cell
    return values


def test_chapters_find_what_they_ask_for(no_runs: None) -> None:
    four, five = parameters("04-counting-collisions"), parameters("05-does-the-start-decide")
    excess, start = parameters("appendix-adamw"), parameters("appendix-start")
    wide = {"n": [excess["n_excess"]], "m": [excess["m_wide"][-2]], "l1": [excess["l1_wide"]]}
    changed = ("l1", "apart", "finer")
    apart_widths = [five["m_step"] * 2**k for k in range(5)]
    asked = {
        "wide": (wide | {"method": ["adamw"]}, excess["networks_wide"], PAIRED),
        "wide-finer": (wide | {"apart": [False], "finer": [4]}, excess["networks_finer"], changed),
        "wide-apart": (wide | {"apart": [True], "finer": [1]}, excess["networks_apart"], changed),
        "phases": (
            {"n": [excess["n_wide"]], "m": excess["m_wide"][:-1], "l1": adamw_archive.L1S_PHASES},
            excess["networks_phases"],
            (),
        ),
        "apart": (
            {"n": [five["n"]], "m": apart_widths, "l1": [five["l1"]], "apart": [True], "finer": [1]},
            five["networks_apart"],
            changed,
        ),
        "lambda": (
            {"n": [four["n"]], "m": [four["m_step"]], "l1": [four["l1s"][0], four["l1s"][-1]]}
            | {"apart": [False], "finer": [1]},
            four["networks_lambda"],
            ("l1", "finer"),
        ),
        "followed": (
            {"n": [five["n"]], "m": [start["m_adamw"]], "l1": [five["l1"]], "method": ["adamw"]}
            | {"records": [five["records"]]},
            start["networks_adamw"],
            ("l1", "method", "records"),
        ),
    }
    assert set(asked) == set(adamw_archive.VARIANTS)
    for name, (grid, seeds, paired) in asked.items():
        found = archive.load_or_run(FOLDER, adamw_archive.VARIANTS[name][0], grid, seeds=seeds, paired=paired)
        assert len(found) == seeds * np.prod([len(values) for values in grid.values()]), name


def test_chapters_find_the_networks_by_gradient_flow(no_runs: None) -> None:
    for chapter in ("04-counting-collisions", "05-does-the-start-decide", "appendix-law-of-crowds"):
        asked = parameters(chapter)
        widths = [asked["m_step"] * k for k in range(1, asked["m_steps"] + 1)]
        grid = {"n": [asked["n"]], "m": widths, "l1": asked.get("l1s") or [asked["l1"]], "method": ["flow"]}
        found = archive.load_or_run(
            BOOK / "data" / "flow-runs", final_weights.train, grid, seeds=asked["networks"], paired=PAIRED
        )
        assert len(found) == asked["networks"] * len(widths) * len(grid["l1"])


def test_the_law_of_crowds_asks_for_the_sizes_that_were_fixed() -> None:
    asked = parameters("05-does-the-start-decide") | parameters("appendix-law-of-crowds")
    for sizes, kept_sizes in (
        ("small_fit", flow_archive.SIZES_FIT),
        ("tested", flow_archive.SIZES_SECOND_LAW),
        ("fresh", flow_archive.SIZES_THIRD_LAW),
        ("pairs", flow_archive.PAIRS),
    ):
        assert [*map(tuple, asked[sizes])] == [*kept_sizes]
    assert (asked["l1s_fit"], asked["l1s_fresh"]) == ([*flow_archive.L1S_FIT], [*flow_archive.L1S_FRESH])
    assert asked["l1s_tested"] == [*flow_archive.L1S_TESTED]
    assert asked["l1_pairs"] == flow_archive.L1_PAIRS
    assert not {size[:2] for size in flow_archive.SIZES_THIRD_LAW} & {
        size[:2] for size in (*flow_archive.SIZES_FIT, *flow_archive.SIZES_SECOND_LAW)
    }


def test_the_map_of_phases_comes_again_where_it_is_cheap() -> None:
    run, grid, seeds, paired = adamw_archive.VARIANTS["phases"]
    found = archive.load_or_run(FOLDER, run, grid, seeds=seeds, paired=paired)
    row = found[found.m == 256].sample(1, random_state=np.random.default_rng()).iloc[0]
    point = {"n": int(row.n), "m": int(row.m), "l1": float(row.l1)}
    again = run(**point, generator=sweep.stream(point, int(row.seed)))
    for share in ("dense", "one_hot", "dead"):  # a last bit may tip a feature or two of sixteen
        assert abs(getattr(again, share) - row[share]) <= 2 / point["n"] + 1e-9, (point, share)


def test_provenance_says_where_each_file_is_from() -> None:
    known = json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))
    assert {f"kept-{name}.npz" for name in adamw_archive.VARIANTS} <= set(known)
    assert all(known[f"kept-{name}.npz"]["seconds"] > 1 for name in adamw_archive.VARIANTS)
