from typing import Any

import numpy as np
import pytest
import torch

from poly.experiments import parity


def compare(seed: int = 0, **changes: Any) -> parity.Measured:
    asked: dict[str, Any] = {"draw": 3, "arms": [("default", 5e-3, 0.0)], "steps": 6000} | changes
    return parity.train_arms(**asked, generator=torch.Generator().manual_seed(seed))


def test_each_task_has_different_bits() -> None:
    found = parity.bits(2)
    assert found.shape == (parity.TASKS, parity.SIZE)
    assert all(len(set(row)) == parity.SIZE for row in found.tolist())
    assert not np.array_equal(found, parity.bits(3))


def test_a_network_learns_what_no_linear_model_can() -> None:
    found = compare()
    assert found.loss[0] < 0.02
    assert found.negative[0] < 0.05
    assert 0.3 < found.impurity[0] < 0.9
    assert found.live[0] > 32
    before = compare(steps=1)
    assert before.loss[0] == pytest.approx(1, abs=0.1)


def test_a_cell_comes_again() -> None:
    assert all(np.array_equal(a, b) for a, b in zip(compare(seed=4, steps=40), compare(seed=4, steps=40), strict=True))


@pytest.mark.parametrize("name", parity.ARMS)
def test_every_arm_has_twelve_trials_and_trains(name: str) -> None:
    trials = parity.trials(name)
    assert len(set(trials)) == 12
    network = parity.train(trials[5], parity.bits(0), steps=20, seeds=[1, 2, 3])
    assert network.W1.shape == (parity.TASKS + parity.BITS, parity.UNITS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"arms": [("wide", 1.0, 0.0)]}, "arm='wide'"), ({"arms": "best"}, "arms='best'"), ({"draw": -1}, "draw=-1")],
)
def test_bad_input_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(**changes)
