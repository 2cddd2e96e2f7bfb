from typing import Any

import numpy as np
import pytest

from poly.audit.ablation import Activations
from poly.audit.gains import FOLDS, accumulate, interval, random_directions, stratified_folds


def test_every_example_is_dealt_once_and_groups_evenly() -> None:
    labels = np.repeat([0, 1, 2], [50, 100, 41])
    cells = stratified_folds(np.zeros(191), labels, seed=1)
    assert (cells.folds, cells.groups) == (FOLDS, 3)
    assert sorted(np.concatenate(cells.members).tolist()) == list(range(191))
    for place, members in enumerate(cells.members):
        assert (labels[members] == place % 3).all()
        assert len(members) in ((50 // FOLDS, 50 // FOLDS + 1), (5, 5), (2, 3))[place % 3]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("base", "groups", "said"),
    [
        (np.zeros(9), None, "groups: is None, must be the class of each example"),
        (np.zeros((9, 2)), np.zeros(9, int), "groups: must be None, because loss gives 2"),
        (np.zeros(9), np.array([0] * 4 + [2] * 5), "groups: group 1 has 0 examples, must have at least 4"),
        (np.zeros(9), np.full(9, 0.5), "must be 9 whole numbers"),
        (np.zeros(9), np.full(9, 10**12), "groups: holds 1000000000000, must be whole numbers below"),
        (np.zeros(9), [[1], [1, 2]], "groups="),
        (np.zeros(9), np.zeros(8, int), r"groups: has shape \(8,\)"),
        (np.zeros(9), np.full(9, -1), "whole numbers ≥ 0"),
        (np.zeros((3, 2)), None, "inputs: hold 3 examples"),
        (np.zeros((9, 1)), None, "loss: gives one column of losses, must be at least two groups"),
        (np.zeros(9), np.zeros(9, int), "groups: are all 0, must be at least two groups"),
    ],
)
def test_groups_that_do_not_fit_are_refused(base: Any, groups: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        stratified_folds(base, groups, seed=0)


def test_gains_are_means_over_cells() -> None:
    rng = np.random.default_rng(0)
    H, labels = rng.standard_normal((80, 3)), np.arange(80) % 4
    ablated = Activations(H, lambda H: (H**2).sum(axis=1))
    cells = stratified_folds(ablated.base, labels, seed=0)
    gains, whole, used = accumulate(ablated, np.arange(3), cells, progress=False)
    assert gains.shape == (20, 3, 4)
    assert sum(map(len, used.members)) == 80
    rise = H.mean(axis=0) ** 2 - H**2
    for place, members in enumerate(cells.members):
        assert np.allclose(gains[place // 4, :, place % 4], rise[members].mean(axis=0))
    for group in range(4):
        assert np.allclose(whole[:, group], rise[labels == group].mean(axis=0))


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    # Each of 12 units gives 3 to one group and 1 to another: Π is 1/4.
    truth = np.zeros((12, 6))
    truth[np.arange(12), np.arange(12) % 6] = 3
    truth[np.arange(12), (np.arange(12) + 1) % 6] = 1
    intervals = np.array([interval(truth + 1.5 * rng.standard_normal((20, 12, 6))) for _ in range(200)])
    covers = (intervals[:, 1] <= 0.25) & (intervals[:, 2] >= 0.25)
    assert covers.mean() > 0.9
    assert (intervals[:, 2] - intervals[:, 1]).mean() < 0.2


def test_gains_that_sum_to_nothing_have_no_interval() -> None:
    assert np.isnan(interval(np.zeros((4, 2, 2)))).all()


@pytest.mark.parametrize("units", [3, 64, 100])
def test_random_directions_are_orthonormal_within_a_basis(units: int) -> None:
    rows = random_directions(units, 64, np.random.default_rng(0))
    assert rows.shape == (64, units)
    first = rows[: min(units, 64)]
    assert np.allclose(first @ first.T, np.eye(len(first)))
    assert np.allclose(np.linalg.norm(rows, axis=1), 1)
