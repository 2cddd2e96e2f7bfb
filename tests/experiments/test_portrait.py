import numpy as np
import pytest
import torch

from poly.experiments import portrait, purity


def follow(steps: int, p: float = 0.5, m: int = 48) -> portrait.Portrait:
    return portrait.follow(p=p, m=m, draw=1001, steps=steps, generator=torch.Generator().manual_seed(0))


def test_a_unit_is_divided_without_a_change_of_the_function() -> None:
    found = follow(2500)
    assert found.reads.shape == (3, 2, purity.BITS)
    # The copy was dead, then reads what the unit reads, and serves what the unit no longer serves.
    assert np.abs(found.gains[0, 1]).max() < 1e-4
    assert np.array_equal(found.reads[1, 0], found.reads[1, 1])
    assert np.array_equal(found.reads[0, 0], found.reads[1, 0])
    assert found.gains[1].sum(axis=0) == pytest.approx(found.gains[0, 0], abs=1e-3)
    assert found.loss[1] == pytest.approx(found.loss[0], rel=0.2)
    assert found.impurity[0] > found.impurity[1] > found.impurity[2] > 0
    # In the end both read two bits.
    assert (found.reads[2] != 0).sum(axis=1).tolist() == [2, 2]


def test_without_a_unit_to_divide_there_is_nothing_to_see() -> None:
    assert all(np.isnan(part).all() for part in follow(10, m=4))
