from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from poly import metrics, model, sweep
from poly.experiments import adamw_archive, final_weights

GRID: dict[str, Any] = {"n": [8], "m": [12], "l1": [0.02, 0.1], "method": ["flow", "adamw"]}


def test_a_network_by_hand() -> None:
    start = torch.tensor([[0.5, -0.2, 0.1], [-0.3, 0.4, 0.2]], dtype=torch.float64)
    end = torch.tensor([[0.0, -0.9, 0.04], [-0.7, 0.6, 0.0]], dtype=torch.float64)
    found = final_weights.summarize(start, end, keep_overlap=True)
    assert found.feature.tolist() == [0, 1, 1]
    assert found.neuron.tolist() == [1, 0, 1]
    assert found.weight.tolist() == [-0.9, -0.7, 0.6]
    np.testing.assert_allclose(found.start, np.array([0.2, 0.3, 0.4]) * 3**0.5)
    assert found.rank.tolist() == [2, 2, 1]
    assert found.sizes.sum() == 6
    assert found.sizes[[0, 4, 60, 70, 90]].tolist() == [2, 1, 1, 1, 1]
    np.testing.assert_allclose(found.overlap, start @ end.T, rtol=1e-6)
    assert final_weights.summarize(start, end).overlap.size == 0


def test_the_same_start_is_trained_in_several_ways() -> None:
    table = sweep.sweep(final_weights.train, GRID, seeds=3, paired=("l1", "method"))
    flow = table[(table.method == "flow") & (table.l1 == 0.02)]
    adamw = table[(table.method == "adamw") & (table.l1 == 0.02)]
    same = [
        set(zip(a.feature, a.neuron, strict=True)) & set(zip(b.feature, b.neuron, strict=True))
        for a, b in zip(flow.itertuples(), adamw.itertuples(), strict=True)
    ]
    assert sum(map(len, same)) > 12  # of 24; strangers would share 2
    assert table.sizes.map(sum).unique() == [96]


def test_released_settings_with_changes_and_without() -> None:
    assert final_weights.released(0.0) == final_weights.RELEASED
    found = final_weights.released(0.1, lr=0.5, betas=(0.0, 0.9))
    assert (found.l1, found.lr, found.betas) == (0.1, 0.5, (0.0, 0.9))
    assert (found.steps, found.weight_decay) == (7500, 0.01)
    with pytest.raises(ValueError, match=r"^lr=0: must be"):
        final_weights.released(0.1, lr=0)


def test_adamw_is_trained_for_the_steps_asked_for() -> None:
    W, generator = model.init(3, 4, generator=torch.Generator().manual_seed(0)), torch.Generator()
    assert torch.equal(final_weights.train_from(W, 0.1, "adamw", generator, steps=0), W.float().double())
    usual = final_weights.train_from(W, 0.1, "adamw", generator)
    assert torch.equal(final_weights.train_from(W, 0.1, "adamw", generator, steps=7500), usual)


def test_the_count_is_that_of_the_whole_matrix() -> None:
    W = torch.randn(30, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    row = final_weights.summarize(W, W)._asdict()
    for near in ((0.8, 1.2), (0.1, 0.5), (0.05, 9.0)):
        assert final_weights.polysemantic_neurons(row, near) == int(metrics.polysemantic_neurons(W, near)) > 0
    for near in ((0.04, 1.2), (1.2, 0.8)):
        with pytest.raises(ValueError, match=r"^near=\(.*must be a pair 0\.05 ≤ low ≤ high$"):
            final_weights.polysemantic_neurons(row, near)


def test_winners_are_the_largest_of_their_rows() -> None:
    W = torch.randn(30, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    W[4] *= 0.01
    found = final_weights.winners(final_weights.summarize(torch.ones_like(W).cumsum(-1), W)._asdict())
    assert found.feature.tolist() == [i for i in range(30) if i != 4]
    assert found.neuron.tolist() == metrics.winners(W)[found.feature].tolist()
    assert found.positive.tolist() == (W[found.feature, found.neuron] > 0).tolist()
    assert found.rank.tolist() == (20 - found.neuron).tolist()
    np.testing.assert_allclose(np.abs(found.start), (1 + found.neuron) * 20**0.5)


def test_flow_ends_one_hot_and_its_winner_was_large() -> None:
    found = final_weights.train(n=16, m=64, l1=0.02, method="flow", generator=torch.Generator().manual_seed(0))
    assert sorted(found.feature.tolist()) == list(range(16))
    assert found.sizes[0] == 16 * 63
    start = model.init(16, 64, generator=torch.Generator().manual_seed(0))[0]
    assert np.median(found.rank) <= 3
    assert found.start[0] == pytest.approx(8 * start[0, found.neuron[0]].item() * np.sign(found.weight[0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"method": "sgd"}, "method='sgd'"), ({"n": 0}, "n=0"), ({"l1": -1.0}, "l1=-1.0")],
)
def test_bad_input_is_one_line(change: dict[str, Any], message: str) -> None:
    point: dict[str, Any] = {"n": 2, "m": 3, "l1": 0.1, "method": "flow"} | change
    with pytest.raises(ValueError, match=message):
        final_weights.train(**point, generator=torch.Generator())


def test_start_and_end_must_fit() -> None:
    with pytest.raises(ValueError, match=r"^end: has shape \(2, 3\), must be \(3, 2\)"):
        final_weights.summarize(torch.ones(3, 2), torch.ones(2, 3))


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {
        "N": 8,
        "NETWORKS": 3,
        "HEAT_MAP": 16,
        "SETTINGS": ((12, 0.1), (16, 1e-3)),
        "VARIANTS": {},
    }.items():
        monkeypatch.setattr(adamw_archive, name, value)
    monkeypatch.setattr(sweep, "_processes", lambda _: None)  # in this process, whose functions check types
    monkeypatch.setattr("sys.argv", ["adamw_archive", str(tmp_path / "kept"), "--store", str(tmp_path / "store")])
    return tmp_path / "kept"


def test_runs_are_kept_and_read_back(kept: Path) -> None:
    adamw_archive.main()
    assert sorted(path.name for path in kept.iterdir()) == ["m0012-l1-0.1.npz", "m0016-l1-0.001.npz", "provenance.json"]
    table = adamw_archive.load(kept)
    assert table[["n", "m", "l1", "seed"]].to_numpy().tolist() == [
        [8, m, l1, seed] for m, l1 in adamw_archive.SETTINGS for seed in range(3)
    ]
    for m, l1 in adamw_archive.SETTINGS:
        again = adamw_archive.compute(m, l1, seeds=3)
        for row, other in zip(table[table.m == m].to_dict("records"), again.to_dict("records"), strict=True):
            for name in ("feature", "neuron", "rank", "sizes"):
                assert row[name].tolist() == other[name].tolist()
            np.testing.assert_allclose(row["weight"], other["weight"], rtol=1e-6)
            assert final_weights.polysemantic_neurons(row) == final_weights.polysemantic_neurons(other)
    mean = np.mean(adamw_archive.compute(16, 1e-3, seeds=3).overlap.tolist(), axis=0)
    np.testing.assert_allclose(adamw_archive.heat_map(kept), mean, atol=1e-6)


def test_what_is_there_stays(kept: Path) -> None:
    kept.mkdir()
    (kept / "m0012-l1-0.1.npz").write_bytes(b"there")
    adamw_archive.main()
    assert (kept / "m0012-l1-0.1.npz").read_bytes() == b"there"
    with pytest.raises(ValueError, match=r"m0012-l1-0\.1\.npz: no file of AdamW runs"):
        adamw_archive.load(kept)


def test_a_folder_without_runs_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no runs; `python -m poly\.experiments\.adamw_archive "):
        adamw_archive.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_one_line(kept: Path, content: bytes) -> None:
    kept.mkdir()
    (kept / "m0016-l1-0.001.npz").write_bytes(content)
    for read in (adamw_archive.load, adamw_archive.heat_map):
        with pytest.raises(ValueError, match=r"m0016-l1-0\.001\.npz: no file of AdamW runs"):
            read(kept)


def test_the_start_and_the_places_of_a_row() -> None:
    table = sweep.sweep(final_weights.train, GRID, seeds=2, paired=("l1", "method"))
    for row in table.to_dict("records"):
        start = final_weights.start(row).numpy()
        np.testing.assert_allclose(
            start[row["feature"], row["neuron"]] * np.sign(row["weight"]) * 12**0.5, row["start"], rtol=1e-12
        )
        began, ended = final_weights.places(row)
        favorite = start[range(8), began.neuron]
        np.testing.assert_array_equal(np.abs(favorite), np.abs(start).max(1))
        np.testing.assert_array_equal(favorite > 0, began.positive)
        won = final_weights.winners(row)
        assert ended.neuron[won.feature].tolist() == won.neuron.tolist()
        assert ended.positive[won.feature].tolist() == won.positive.tolist()
        assert (np.delete(ended.neuron, won.feature) == -1).all()


def test_pairs_share_a_neuron_where_their_signs_are_opposite() -> None:
    ends = final_weights.Places(np.array([2, 2, 2, -1, -1, 0]), np.array([True, False, True, True, False, True]))
    i, j = np.triu_indices(6, 1)
    share = final_weights.sharing_pairs(ends)
    assert {*zip(i[share].tolist(), j[share].tolist(), strict=True)} == {(0, 1), (1, 2)}
