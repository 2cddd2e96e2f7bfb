"""The stored AdamW runs: they are complete, and networks chosen at random come out nearly the same again."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from poly.experiments import adamw_archive, final_weights

FOLDER = Path(__file__).parents[2] / "book" / "data" / "adamw-runs"


def test_every_file_holds_whole_networks_and_says_where_it_is_from() -> None:
    table = adamw_archive.load(FOLDER)
    assert table.groupby(["m", "l1"]).seed.agg(list).map(lambda seeds: seeds == list(range(16))).all()
    assert {(m, l1) for m, l1 in zip(table.m, table.l1, strict=True)} <= set(adamw_archive.SETTINGS)
    assert (table.sizes.map(sum) == adamw_archive.N * table.m).all()
    for row in table.to_dict("records"):
        assert set(row["feature"]) == set(range(adamw_archive.N))
        assert row["neuron"].max() < row["m"]
        assert row["rank"].min() >= 1
    known = json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))
    assert set(known) == {path.name for path in FOLDER.glob("*.npz")}


@pytest.mark.parametrize("read", [adamw_archive.load, adamw_archive.heat_map])
def test_a_damaged_file_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (tmp_path / "m4096-l1-0.001.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"m4096-l1-0\.001\.npz: no file of AdamW runs \("):
        read(tmp_path)


def test_both_methods_have_the_same_starts_stored_or_trained() -> None:
    folders, l1s = (FOLDER.parent / "flow-runs", FOLDER), [1e-1]
    stored = adamw_archive.both_methods(folders, adamw_archive.N, [256], l1s, networks=16)
    assert {name: (set(table.m), set(table.l1), len(table)) for name, table in stored.items()} == {
        "flow": ({256}, {1e-1}, 16),
        "adamw": ({256}, {1e-1}, 16),
    }
    trained = adamw_archive.both_methods(folders, 4, [6], l1s, networks=2)
    starts = [final_weights.start(table.to_dict("records")[1]) for table in trained.values()]
    assert starts[0].tolist() == starts[1].tolist()
    assert [set(table.method) for table in trained.values()] == [{"flow"}, {"adamw"}]


@pytest.mark.parametrize("l1", [1e-3, 1e-1])
def test_a_stored_network_comes_again(l1: float) -> None:
    table = adamw_archive.load(FOLDER)
    row = table[(table.m <= 512) & (table.l1 == l1)].sample(1, random_state=np.random.default_rng()).iloc[0]
    (again,) = adamw_archive.compute(int(row.m), l1, seeds=[int(row.seed)]).to_dict("records")
    same = {*zip(row.feature, row.neuron, strict=True)} & {*zip(again["feature"], again["neuron"], strict=True)}
    # A last bit may tip a close race (see docs/levels.md); hardly ever one, and never many.
    assert len(same) >= 0.97 * adamw_archive.N, f"m = {row.m}, seed {row.seed}"
    assert abs(final_weights.polysemantic_neurons(again) - final_weights.polysemantic_neurons(dict(row))) <= 2
