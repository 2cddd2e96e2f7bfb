from typing import Any

import numpy as np
import pytest
import torch

from generators import generator
from poly import cooccurrence, flow, interventions, metrics, model, untied
from poly.experiments import beyond_toy, surgery

SMALL: dict[str, Any] = {"n": 6, "m": 8, "l1": 1e-2, "draw": 0}


@pytest.mark.parametrize("method", ["flow", "adamw"])
def test_a_start_near_a_code_ends_with_the_fewest_shared_neurons(method: str) -> None:
    found = beyond_toy.scarce(**SMALL | {"n": 8, "m": 5, "method": method}, generator=generator())
    assert found.features.tolist() == [8, 8]
    assert found.shared[1] == 3 <= found.shared[0]
    np.testing.assert_allclose(found.error, 0, atol=1e-3)
    # Where each feature has a neuron, Π counts shared neurons by features.
    np.testing.assert_allclose(found.impurity, found.shared / 8, atol=0.02)
    if method == "flow":
        W = model.init(8, 5, generator=generator())
        ends = flow.flow(torch.cat([W, interventions.near_code(W, 0.6)]), 1e-2).W
        assert found.shared.tolist() == metrics.polysemantic_neurons(ends).tolist()


def test_beyond_two_features_a_neuron_there_is_no_code_to_start_from() -> None:
    found = beyond_toy.scarce(**SMALL | {"n": 8, "m": 3, "method": "flow"}, generator=generator())
    assert len(found.shared) == 1
    assert found.error[0] > 0.5


def test_networks_meet_early_and_late() -> None:
    settings: dict[str, Any] = SMALL | {"m": 6, "p": 0.1, "networks": 3, "steps": 200}
    found = beyond_toy.meeting(**settings, inputs=512, generator=generator())
    source = generator()
    W = model.init(6, 6, instances=3, generator=source)
    formed = flow.flow(W, 1e-2).W
    config = cooccurrence.Config(p=0.1, steps=200, l1=1e-2)
    ends = cooccurrence.train(torch.stack([W, formed], 1).float(), config, generator=source).double()
    assert found.formed.tolist() == metrics.polysemantic_neurons(formed).tolist()
    assert found.shared.tolist() == metrics.polysemantic_neurons(ends).tolist()
    x = cooccurrence.sample(6, config, batch=512, generator=source)
    error = [[float((torch.relu(x @ V @ V.mT) - x).square().sum() / 512) for V in pair] for pair in ends]
    np.testing.assert_allclose(found.error, np.array(error) * (1 - 0.9**6) / 0.1)


def test_features_share_with_those_that_they_never_meet() -> None:
    settings: dict[str, Any] = {"n": 8, "m": 8, "l1": 1e-2, "draw": 0, "networks": 8, "steps": 8000}
    exclusive = beyond_toy.related(**settings, p=0.1, group=4, generator=generator())
    assert exclusive.inside.sum() >= 4
    assert exclusive.across.sum() == 0
    assert (exclusive.shared == exclusive.inside).all()
    blocks = beyond_toy.related(**settings, p=1e-5, group=4, within=0.5, generator=generator())
    assert blocks.inside.sum() == 0
    assert blocks.across.sum() >= 4
    assert blocks.features.min() >= 7


def test_changes_are_those_of_chapter_8_that_fit() -> None:
    for n, m, out in ((4, 4, []), (5, 4, ["distinct", "orthogonal"]), (9, 4, ["distinct", "orthogonal", "code"])):
        names = beyond_toy.changes_at(n, m)
        assert [name for name in surgery.CHANGES if name.split()[0].strip(",") in out] == [
            name for name in surgery.CHANGES if name not in names
        ]
    found = beyond_toy.changed(n=5, m=4, l1=1e-2, draw=0, generator=generator())
    assert len(found.shared) == len(found.loss) == 1 + len(beyond_toy.changes_at(5, 4))
    W = model.init(5, 4, generator=generator())
    end = flow.flow(W.abs(), 1e-2).W
    at = 1 + beyond_toy.changes_at(5, 4).index("same signs")
    assert found.shared[at] == metrics.polysemantic_neurons(end).item()
    assert found.loss[at] == pytest.approx(model.loss(end, 1e-2).item())
    np.testing.assert_allclose(found.impurity, found.shared / 5, atol=0.02)


def test_more_active_features_pay_for_their_weights_as_one_does() -> None:
    """Compare training with all n features on with ``untied`` under n times the penalty."""
    found = beyond_toy.rectified(**SMALL, active=6, steps=50, generator=generator())
    source = generator()
    W = model.init(6, 8, generator=source)[0].float()
    start = untied.Network(W, W.mT.contiguous(), torch.zeros(6))
    config = untied.UntiedConfig(steps=50, batch=64, active=6, groups=1, l1=6 * 1e-2 / 12)
    end = untied.train(start, config, generator=source)
    basis = torch.eye(6)
    error = (untied.reconstruct(end, basis) - basis).square().sum().item()
    assert found.error[0] == pytest.approx(error, rel=1e-5)


def test_a_relu_takes_a_neuron_s_free_half() -> None:
    found = [
        beyond_toy.rectified(**SMALL | {"n": 8, "m": 8}, steps=12_000, generator=generator(seed)) for seed in range(3)
    ]
    linear, relu = np.array([each.shared for each in found]).T
    assert linear.sum() > relu.sum()
    assert all((each.helped <= each.shared).all() for each in found)
    assert all(each.features[0] == 8 for each in found)
    np.testing.assert_allclose([each.error for each in found], 0, atol=0.01)


def test_impurity_of_a_code_is_the_share_of_features_in_pairs() -> None:
    own = torch.eye(3, dtype=torch.float64)
    assert beyond_toy.impurity(own, own.mT) == pytest.approx(0)
    pairs = torch.tensor([[1.0, 0], [-1, 0], [0, 1]], dtype=torch.float64)
    assert beyond_toy.impurity(pairs, pairs.mT) == pytest.approx(1 / 3)
    biased = beyond_toy.impurity(2 * own, own.mT, torch.full((3,), -1.0, dtype=torch.float64))
    assert biased == pytest.approx(0)


@pytest.mark.parametrize(
    ("run", "changed", "message"),
    [
        (beyond_toy.scarce, {"method": "flow", "l1": 0.0}, "l1=0.0: must be"),
        (beyond_toy.scarce, {"method": "sgd"}, "method='sgd': must be one of 'flow', 'adamw'"),
        (beyond_toy.scarce, {"method": "flow", "m": 1}, "m=1: must be a whole number ≥ 2"),
        (beyond_toy.meeting, {"p": 0.0, "networks": 1}, "p=0.0: must be"),
        (beyond_toy.meeting, {"p": 0.1, "networks": 0}, "instances=0: must be"),
        (beyond_toy.related, {"p": 0.01, "networks": 1, "group": 4}, "group=4: must divide the 6 features"),
        (beyond_toy.related, {"p": 0.01, "networks": 1, "within": 2.0}, "within=2.0: must be a number ≥ 0 and < 1"),
        (beyond_toy.related, {"p": 0.01, "networks": 0}, "networks=0: must be"),
        (beyond_toy.changed, {"m": 1}, "m=1: must be a whole number ≥ 2"),
        (beyond_toy.rectified, {"active": 7}, "active=7: must be at most the n = 6 features"),
        (beyond_toy.rectified, {"draw": -1}, "draw=-1: must be"),
        (beyond_toy.rectified, {"steps": -1}, "steps=-1: must be"),
    ],
)
def test_bad_input_is_refused(run: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**SMALL | changed, generator=generator())
