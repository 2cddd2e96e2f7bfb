"""The stored runs by gradient flow: they are complete, and networks chosen at random come out the same again."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poly import sweep
from poly.experiments import final_weights, flow_archive
from poly.sweep import archive

FOLDER = Path(__file__).parents[2] / "book" / "data" / "flow-runs"


@pytest.fixture(scope="module")
def table() -> sweep.Table:
    return archive.load_or_run(
        FOLDER, final_weights.train, flow_archive.GRID, seeds=flow_archive.NETWORKS, paired=flow_archive.PAIRED
    )


def test_the_file_holds_whole_networks_and_says_where_it_is_from(table: sweep.Table) -> None:
    points = [*itertools.product(*flow_archive.GRID.values(), range(flow_archive.NETWORKS))]
    assert [*zip(table.n, table.m, table.l1, table.method, table.seed, strict=True)] == points
    assert (table.sizes.map(sum) == table.n * table.m).all()
    for row in table.to_dict("records"):
        assert set(row["feature"]) == set(range(row["n"]))
        assert row["neuron"].max() < row["m"]
    known = json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))
    assert set(known) == {path.name for path in FOLDER.glob("*.npz")}


@pytest.mark.parametrize("l1", flow_archive.GRID["l1"])
def test_a_stored_network_comes_again(table: sweep.Table, l1: float) -> None:
    comes_again(table[(table.m <= 768) & (table.l1 == l1)])


@pytest.mark.parametrize("name", ["law", "others-32", "others-64", "others-128"])
def test_so_does_one_of_another_size(name: str) -> None:
    comes_again(archive.load_or_run(FOLDER, **flow_archive.sweeps()[name]))


def comes_again(table: sweep.Table) -> None:
    """Train the network of a row chosen at random again, and compare the two."""
    row = table.sample(1, random_state=np.random.default_rng()).iloc[0]
    point: dict[str, Any] = {"n": int(row.n), "m": int(row.m)}
    stream = sweep.stream(point, int(row.seed))
    again = final_weights.train(**point, l1=float(row.l1), method="flow", generator=stream)
    for name in ("feature", "neuron", "rank", "sizes"):  # exact on every machine
        np.testing.assert_array_equal(row[name], getattr(again, name), f"{name}, m = {row.m}, seed {row.seed}")
    for name in ("weight", "start"):
        np.testing.assert_allclose(row[name], getattr(again, name), rtol=1e-6, err_msg=name)


def test_networks_with_weak_penalties_are_drawn_from_the_registering_commit() -> None:
    registered = json.loads((FOLDER.parent / "registered.json").read_text(encoding="utf-8"))
    assert int(registered["X6"]["commit"][:6], 16) == flow_archive.DRAW_X6
    assert registered["X6"]["commit"] == registered["X7"]["commit"]
    for n, m, networks in flow_archive.SIZES_WEAK:
        assert archive.spec(FOLDER / f"kept-weak-{n}-{m}.npz")["seeds"] == networks


SWEEPS = (
    (flow_archive.SIZES_FIT, flow_archive.L1S_FIT),
    (flow_archive.SIZES_SECOND_LAW, flow_archive.L1S_TESTED),
    (flow_archive.SIZES_THIRD_LAW, flow_archive.L1S_FRESH),
)
SMALL = [(size, l1s) for sizes, l1s in SWEEPS for size in sizes if size[0] <= 40]


@pytest.mark.parametrize(("size", "l1s"), SMALL, ids=str)
def test_stored_counts_come_again(size: tuple[int, int, int, int], l1s: tuple[float, ...]) -> None:
    found = archive.load_or_run(FOLDER, **flow_archive.count_sweep(size[0], size[1], l1s, *size[2:]))
    row = found.sample(1, random_state=np.random.default_rng()).iloc[0]
    point: dict[str, Any] = {"n": int(row.n), "m": int(row.m), "networks": int(row.networks)}
    again = final_weights.count(**point, l1=float(row.l1), generator=sweep.stream(point, int(row.seed)))
    np.testing.assert_array_equal(row.shared, again.shared)
