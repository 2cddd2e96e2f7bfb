import numpy as np
import pytest
import torch

from poly import metrics, mlp
from poly.experiments import arms


def network() -> mlp.Network:
    return mlp.init(5, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float32)


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
