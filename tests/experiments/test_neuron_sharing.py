from typing import Any

import numpy as np
import pytest
import torch

from poly import flow, model
from poly.experiments import neuron_sharing


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_by_hand() -> None:
    W = torch.tensor([[0.5, 0.4, 0.1, 0.0], [-0.5, 0.6, 0.3, 0.0], [0.0, 0.0, 0.2, 0.9]], dtype=torch.float64)
    # Overlaps: 0.02 of the first two, 0.02 and 0.06 with the third; of the leading weights the first row's 0.5 shares
    # with an opposite sign, 0.4 with the same, the second row's −0.5 with an opposite one; 0.6 and 0.9 share with none.
    overlap = {(0, 1): 0.02, (0, 2): 0.02, (1, 2): 0.06}
    push = np.zeros((3, 4))
    for (i, j), value in overlap.items():
        push[i] -= 4 * value * W[j].numpy()
        push[j] -= 4 * value * W[i].numpy()
    rate = push / np.where(W == 0, 1, W)
    unshared = [rate[1, 1], rate[1, 2], rate[2, 3]]
    opposite_sign = [rate[0, 0], rate[1, 0]]
    same_sign = [rate[0, 1], rate[0, 2], rate[2, 2]]
    found = neuron_sharing.mean_interference(W, 0.5)
    assert found == pytest.approx([np.mean(group) / 0.5 for group in (unshared, opposite_sign, same_sign)])


def test_nobody_is_no_number() -> None:
    W = torch.eye(3, dtype=torch.float64)
    unshared, opposite_sign, same_sign = neuron_sharing.mean_interference(W, 0.1)
    assert unshared == 0
    assert np.isnan([opposite_sign, same_sign]).all()


def test_a_run_looks_at_the_flow() -> None:
    found = neuron_sharing.interference(n=12, m=24, l1=0.02, first=0.01, last=0.5, records=4, generator=seeded(1))
    np.testing.assert_allclose(found.t, np.geomspace(0.5, 25, 4))
    path = flow.flow(model.init(12, 24, generator=seeded(1)), 0.02, at=found.t.tolist())
    expected = np.array([neuron_sharing.mean_interference(W[0], 0.02) for W in path.values])
    np.testing.assert_allclose([found.unshared, found.opposite_sign, found.same_sign], expected.T)
    assert found.same_sign[0] < found.unshared[0]


def test_bad_input_is_one_line() -> None:
    point: dict[str, Any] = {"n": 4, "m": 6, "l1": 0.1, "first": 0.1, "last": 0.5, "records": 3}
    for change, message in (
        ({"m": 2}, "m=2: must be a whole number ≥ 3"),
        ({"last": 0.1}, r"last=0\.1: must be > first=0\.1"),
        ({"records": 1}, "records=1: must be a whole number ≥ 2"),
        ({"l1": 0.0}, r"l1=0\.0"),
    ):
        with pytest.raises(ValueError, match=message):
            neuron_sharing.interference(**point | change, generator=seeded(0))
    with pytest.raises(ValueError, match=r"^W: has shape \(2, 2\), must be \(n, m\) with m ≥ 3"):
        neuron_sharing.mean_interference(torch.ones(2, 2), 0.1)
