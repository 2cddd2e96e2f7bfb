from typing import Any

import numpy as np
import pytest
import torch

from poly import mlp
from poly.experiments import arms, digits

FEW = [("default", 3e-3, 0.0), ("l1-hidden", 3e-3, 1e-2), ("untrained", 1.0, 10.0)]


def compare(seed: int = 0, **changes: Any) -> digits.Measured:
    asked: dict[str, Any] = {"split": 3, "labels": "all", "held": "validation", "arms": FEW, "steps": 400} | changes
    return digits.train_arms(**asked, generator=torch.Generator().manual_seed(seed))


def test_the_test_set_is_the_same_for_all_splits_and_in_no_other_set() -> None:
    one, other = (digits.images(split, "all", "test") for split in (0, 1))
    assert np.array_equal(one.held_x, other.held_x)
    assert not np.array_equal(one.x, other.x)
    assert len(one.held_x) == digits.TEST
    assert len(one.x) == 1797 - digits.TEST - digits.VALIDATION
    validation = digits.images(0, "all", "validation")
    sets = [{row.tobytes() for row in part} for part in (one.x, one.held_x, validation.held_x)]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]
    assert len(digits.images(0, "few", "test").x) == digits.FEW


def test_a_network_learns_and_is_measured() -> None:
    found = compare()
    assert found.accuracy[0] > 0.93
    assert found.loss[0] < 0.3
    assert (found.attacked_accuracy < found.noisy_accuracy).all()
    assert (found.noisy_accuracy < found.accuracy).all()
    assert found.selectivity[1] > found.selectivity[0] + 0.1  # a penalty on activations makes them rare
    assert (found.negative < 0.05).all()
    assert (found.weights == 64 * 74).all()


def test_a_cell_comes_again() -> None:
    assert all(np.array_equal(a, b) for a, b in zip(compare(seed=4, steps=40), compare(seed=4, steps=40), strict=True))


@pytest.mark.parametrize("name", digits.ARMS)
def test_every_arm_has_twelve_trials_and_trains(name: str) -> None:
    trials = digits.trials(name)
    assert len(set(trials)) == 12
    network = digits.train(trials[5], digits.images(0, "few", "test"), steps=20, seeds=[1, 2, 3], units=8)
    weights = int((network.W1 != 0).sum() + (network.W2 != 0).sum())
    units = {"wide": 32}.get(name, 8)
    assert network.W1.shape == (64, units)
    assert weights == {"pruned": 128 + 20}.get(name, 8 * 74)


def test_an_attack_raises_the_loss_and_stays_within_pixels() -> None:
    data = digits.images(0, "all", "validation")
    network = mlp.Network(
        *(part.double() for part in digits.train(arms.Arm(*FEW[0]), data, steps=200, seeds=[1, 2, 3]))
    )
    x = torch.from_numpy(data.held_x)
    moved = digits.attacked(network, x, data.held_y)
    assert float((moved - x).abs().max()) <= digits.ATTACK + 1e-12
    assert (float(moved.min()), float(moved.max())) >= (0.0, 0.0)
    assert float(moved.max()) <= 1
    labels = torch.from_numpy(data.held_y)
    before, after = (
        torch.nn.functional.cross_entropy(mlp.output(network, each), labels, reduction="none") for each in (x, moved)
    )
    assert float((after > before).double().mean()) > 0.95


def test_gains_on_images_of_training_rarely_cancel_but_those_on_others_do() -> None:
    found = compare(steps=3000, arms=FEW[:1])
    assert found.negative[0] < 0.05 < found.held_negative[0]
    assert 0.3 < found.impurity[0] < 0.9
    assert 0 < found.permuted[0] < 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": "some"}, "labels='some'"),
        ({"held": "train"}, "held='train'"),
        ({"arms": [("oracle", 1.0, 0.0)]}, "arm='oracle'"),
        ({"arms": "best"}, "arms='best'"),
        ({"split": -1}, "split=-1"),
        ({"steps": 2.5}, "steps=2.5"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(**changes)


def test_the_loss_of_each_image_is_stored() -> None:
    found = digits.losses(split=2, name="default", held="test", steps=300, generator=torch.Generator().manual_seed(0))
    assert found.clean.shape == found.noisy.shape == found.attacked.shape == (digits.TEST,)
    assert 0 < found.clean.mean() < found.noisy.mean()
    assert (found.attacked >= found.clean).mean() > 0.9
    with pytest.raises(ValueError, match="name='oracle'"):
        digits.losses(split=2, name="oracle", held="test", steps=1, generator=torch.Generator())


def test_units_are_those_of_the_network() -> None:
    found = digits.units(split=2, name="l1-hidden", steps=50, generator=torch.Generator().manual_seed(0))
    assert found.reads.shape == (64, digits.UNITS)
    assert found.gains.shape == (digits.UNITS, 10)
