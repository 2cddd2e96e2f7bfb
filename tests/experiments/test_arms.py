from typing import Any

import numpy as np
import pytest
import torch

from poly import metrics, mlp, tasks, training
from poly.experiments import arms, digits, masks, parity, purity


def network() -> mlp.Network:
    return mlp.init(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float32)


def test_every_arm_that_is_shown_has_words() -> None:
    named = {*purity.ARMS, *digits.ARMS, *parity.ARMS} - {"oracle"}
    assert named == {*arms.LABELS}


def test_an_arm_has_all_rates_or_fewer_with_each_strength() -> None:
    rates, few, strengths = (1.0, 2.0, 3.0, 4.0), (1.0, 2.0), {"noise": (0.1, 0.2)}
    plain, noisy = (arms.trials(name, rates=rates, few_rates=few, strengths=strengths) for name in ("default", "noise"))
    assert [arm.lr for arm in plain] == [1, 2, 3, 4]
    assert [(arm.lr, arm.strength) for arm in noisy] == [(1, 0.1), (1, 0.2), (2, 0.1), (2, 0.2)]


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("default", {}),
        ("l1-weights", {"l1": 0.3}),
        ("l1-hidden", {"l1_hidden": 0.3}),
        ("bias", {"bias_decay": 0.3}),
        ("dropout", {"dropout": 0.3}),
        ("noise", {"noise": 0.3}),
    ],
)
def test_an_arm_sets_one_thing(name: str, added: dict[str, float]) -> None:
    start, found = arms.begin(arms.Arm(name, 1e-3, 0.3), network())
    assert found == added
    assert bool((start.b1 == -1).all()) == (name == "bias")
    assert torch.equal(start.W1, network().W1)


def test_activity_is_that_of_the_network_in_double_precision() -> None:
    x = np.random.default_rng(0).standard_normal((7, 5))
    hidden, outputs = arms.activity(network(), x)
    double = mlp.Network(*(part.double() for part in network()))
    assert np.allclose(hidden, mlp.hidden(double, torch.from_numpy(x)), rtol=0, atol=1e-14)
    assert np.allclose(outputs, mlp.output(double, torch.from_numpy(x)), rtol=0, atol=1e-14)


def test_deals_are_averaged() -> None:
    gains = np.random.default_rng(0).random((4, 6, 3))
    rng = np.random.default_rng(1)
    each = [metrics.impurity(metrics.permuted(gains, generator=rng)).value for _ in range(5)]
    assert arms.dealt_impurity(gains, 5, np.random.default_rng(1)) == np.mean(each)


def test_units_that_vary_and_weights_that_are_not_zero_are_counted() -> None:
    W1 = network().W1.clone()
    W1[0] = 0
    hidden = np.array([[1.0, 2, 0, 3], [1, 3, 0, 4]])
    assert arms.sizes(network()._replace(W1=W1), hidden) == (2, 16 + 12)


def test_losses_below_the_least_count_as_that() -> None:
    assert arms.price(np.array([1e-9, 4.0]), np.array([1e-5, 2.0]), 1e-3).tolist() == [0, np.log(2)]
    assert pytest.approx(np.log(1.25)) == arms.MARGIN


def test_parts_of_training_have_one_stream_and_all_masks_hold() -> None:
    x = np.random.default_rng(0).random((40, 5))
    arm, y = arms.Arm("default", 1e-2), np.random.default_rng(1).integers(0, 3, 40)

    def fit_of(steps: int) -> Any:
        stream, noise = (torch.Generator().manual_seed(seed) for seed in (1, 2))
        batches = tasks.DatasetStream(x, y, batch=10, classes=3, generator=stream)
        return batches, noise, arms.fitter(arm, batches, steps, loss="cross-entropy", generator=noise)

    batches, noise, fit = fit_of(9)
    half = fit(network(), part=0.5)  # 4.5 steps are rounded to 4
    end = fit(*masks.thinned(half, 2, generator=noise), part=0.5, noise=0.1)
    assert int((end.W1 != 0).sum()) == network().W1.numel() // 2
    batches, noise, _ = fit_of(9)
    config = training.FitConfig(lr=1e-2, steps=4, loss="cross-entropy")
    by_hand = training.fit(network(), batches, config, generator=noise)
    start, chosen = masks.thinned(by_hand, 2, generator=noise)
    config = training.FitConfig(lr=1e-2, steps=4, loss="cross-entropy", noise=0.1)
    by_hand = training.fit(start, batches, config, masks=chosen, generator=noise)
    assert all(torch.equal(one, other) for one, other in zip(end, by_hand, strict=True))
    with pytest.raises(ValueError, match=r"^steps=0\.5: must be a whole number ≥ 0$"):
        fit_of(0.5)  # type: ignore[arg-type]


def test_gains_are_those_of_activations_and_errors() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 5)), rng.standard_normal((12, 3))
    found, (hidden, outputs) = arms.squared_error_gains(network(), x, y, folds=3), arms.activity(network(), x)
    assert np.array_equal(found.hidden, hidden)
    assert np.array_equal(found.errors, outputs - y)
    by_hand = metrics.squared_error_gains(hidden, network().W2.double().numpy(), outputs - y, folds=3)
    assert np.array_equal(found.gains, by_hand)
