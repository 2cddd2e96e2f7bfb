from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from poly import flow, metrics, model, sweep
from poly.experiments import final_weights, trajectories


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


POINT: dict[str, Any] = {"n": 12, "m": 40, "l1": 0.02}


def test_what_is_seen_is_what_the_weights_are() -> None:
    found = trajectories.trajectory(**POINT, method="flow", records=9, generator=seeded(3))
    start = model.init(12, 40, generator=seeded(3))
    path = flow.flow(start, 0.02, at=found.t.tolist())
    assert found.t[0] == 0
    assert found.t[-1] == pytest.approx(200)
    np.testing.assert_allclose(np.diff(np.log(found.t[1:])), np.log(20000) / 7)
    winner = metrics.winners(path.W[0])
    for k, W in enumerate(path.values[:, 0]):
        favorite = W.abs().argmax(-1)
        assert found.neuron[k].tolist() == favorite.tolist()
        assert found.positive[k].tolist() == [bool(row[place] > 0) for row, place in zip(W, favorite, strict=True)]
        order = W.abs().argsort(dim=-1, descending=True)
        if W.abs().gather(-1, winner[:, None]).min() > 0:
            ranks = [row.tolist().index(place) + 1 for row, place in zip(order, winner, strict=True)]
            assert found.rank[k].tolist() == ranks
        overlaps = [float(W[i] @ W[j]) for i in range(12) for j in range(12) if i != j]
        assert found.overlap[k] == pytest.approx(sum(each for each in overlaps if each > 0) / 12, abs=1e-12)
        assert found.negative_overlap[k] == pytest.approx(-sum(each for each in overlaps if each < 0) / 12, abs=1e-12)
        assert found.mean_row_norm[k] == pytest.approx(float(W.sum(0) @ W.sum(0)) / 12)
        assert found.survivors[k] == pytest.approx(np.count_nonzero(W) / 12)
    assert (found.rank[-1] == 1).all()
    assert (found.rank[0] > 1).any()


def test_partners_are_told_by_their_largest_opposite_product() -> None:
    found = trajectories.trajectory(n=16, m=16, l1=0.02, method="flow", records=5, generator=seeded(1))
    W = flow.flow(model.init(16, 16, generator=seeded(1)), 0.02, at=found.t.tolist()).values[1, 0].numpy()
    end = list(zip(found.neuron[-1].tolist(), found.positive[-1].tolist(), strict=True))
    pairs = [(i, j) for i in range(16) for j in range(i + 1, 16)]
    share = [end[i] == (end[j][0], not end[j][1]) for i, j in pairs]
    score = [(np.maximum(-W[i] * W[j], 0) ** 8).sum() for i, j in pairs]
    assert any(share)
    assert found.auc[1] == pytest.approx(trajectories.auc(np.array(score), np.array(share)))
    assert found.auc[-1] == 1
    assert found.auc[0] > 0.7


def test_auc_is_the_chance_that_a_sharing_pair_scores_more() -> None:
    rng = np.random.default_rng(0)
    score, share = rng.integers(0, 6, 40), rng.random(40) < 0.3
    wins = [(a > b) + 0.5 * (a == b) for a in score[share] for b in score[~share]]
    assert trajectories.auc(score, share) == pytest.approx(np.mean(wins))
    statistic = stats.mannwhitneyu(score[share], score[~share]).statistic
    assert trajectories.auc(score, share) == pytest.approx(statistic / (share.sum() * (~share).sum()))
    assert np.isnan(trajectories.auc(score, np.zeros(40, bool)))
    with pytest.raises(ValueError, match=r"^share: has shape \(3,\), must be \(pairs,\), as score, which has \(4,\)"):
        trajectories.auc(np.zeros(4), np.zeros(3, bool))


def test_a_rival_of_the_same_sign_takes_the_neuron(monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.tensor([[[0.9, 0.3, 0.0], [0.7, 0.0, 0.6]]], dtype=torch.float64)
    monkeypatch.setattr(model, "init", lambda *_, **__: start)
    found = trajectories.lead_changes(n=2, m=3, l1=0.01, records=200, generator=seeded(0))
    end = flow.flow(start, 0.01).W[0]
    assert end[0, 0] > 0.9  # the first feature keeps its neuron, the second one has to go
    assert end[1, 2] > 0.9
    assert found.feature.tolist() == [1]
    assert found.gap.item() == pytest.approx(np.log(0.7 / 0.6))
    assert found.strongest.item() == 1
    assert found.taken.item()
    # On the winner's neuron the first feature begins with nothing: nearly all of it is the push on the favorite.
    assert found.favorite.item() == pytest.approx(found.interference.item(), rel=0.1)
    assert found.interference + found.regularization == pytest.approx(found.gap, abs=0.01)
    assert found.regularization.item() < 0


@pytest.mark.parametrize("l1", [0.003, 0.1])
def test_interference_and_regularization_close_the_gap(l1: float) -> None:
    found = trajectories.lead_changes(n=32, m=64, l1=l1, records=160, generator=seeded(2))
    assert len(found.t) >= 5
    assert (found.gap > 0).all()
    assert (found.regularization < 0).all()
    np.testing.assert_allclose(found.interference + found.regularization, found.gap, atol=0.02)
    assert ((found.strongest > 0) & (found.strongest <= 1)).all()
    assert (np.diff(found.feature) > 0).all()
    seen = trajectories.trajectory(n=32, m=64, l1=l1, method="flow", records=160, generator=seeded(2))
    assert found.feature.tolist() == np.flatnonzero(seen.rank[0] > 1).tolist()


def test_a_lone_pair_far_apart_displaces_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    start = torch.tensor([[[0.9, 0.3, 0.0, 0.0], [0.0, 0.0, 0.7, 0.6]]], dtype=torch.float64)
    monkeypatch.setattr(model, "init", lambda *_, **__: start)
    assert trajectories.lead_changes(n=2, m=4, l1=0.01, records=20, generator=seeded(0)).feature.size == 0


def test_adamw_is_followed_by_its_steps() -> None:
    found = trajectories.trajectory(**POINT, method="adamw", records=7, generator=seeded(0))
    assert found.t[[0, 1, -1]].tolist() == [0, 1, 7500]
    end = final_weights.train(**POINT, method="adamw", generator=seeded(0))
    large = np.abs(end.weight) > 0.7
    assert dict(zip(end.feature[large], end.neuron[large], strict=True)) == dict(enumerate(found.neuron[-1]))


def test_the_starts_are_those_of_the_outcomes() -> None:
    others = ("l1", "method", "records")
    seen = sweep.sweep(
        trajectories.trajectory,
        {k: [v] for k, v in POINT.items()} | {"method": ["flow"], "records": [5]},
        seeds=2,
        paired=others,
    )
    ends = sweep.sweep(
        final_weights.train,
        {k: [v] for k, v in POINT.items()} | {"method": ["flow"]},
        seeds=2,
        paired=("l1", "method"),
    )
    for one, other in zip(seen.to_dict("records"), ends.to_dict("records"), strict=True):
        assert one["neuron"][-1].tolist() == other["neuron"].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "n=1: must be a whole number ≥ 2"),
        ({"l1": 0.0}, "l1=0.0: must be"),
        ({"records": 2}, "records=2: must be a whole number ≥ 3"),
        ({"method": "sgd"}, "method='sgd'"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, Any], message: str) -> None:
    point = POINT | {"method": "flow", "records": 5} | change
    with pytest.raises(ValueError, match=message):
        trajectories.trajectory(**point, generator=seeded(0))
    if "method" not in change:
        del point["method"]
        with pytest.raises(ValueError, match=message):
            trajectories.lead_changes(**point, generator=seeded(0))
