from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poly import metrics

Array = NDArray[Any]


def planted(shares: list[list[float]], folds: int = 6) -> Array:
    """Return gains that are the same in every fold, without noise."""
    return np.repeat(np.array(shares)[None], folds, axis=0)


@pytest.mark.parametrize(
    ("gains", "value"),
    [
        ([[1, 0], [0, 1]], 0),  # pure
        ([[1, 1], [1, 1]], 0.5),  # every unit serves both
        ([[3, 1], [0, 4]], 1 / 8),
        ([[1, 1, 1]], 2 / 3),
        ([[1, 0], [0, 1], [0, 0]], 0),  # a unit that does nothing weighs nothing
        ([[1.0, -0.25], [0, 1]], 1 - 2 / 1.75),  # unclipped
    ],
)
def test_impurity_of_planted_gains(gains: list[list[float]], value: float) -> None:
    found = metrics.impurity(planted(gains))
    assert found.value == pytest.approx(value)
    assert found.own.sum() / found.total.sum() == pytest.approx(1 - value)
    mean = np.array(gains, float)
    assert found.negative == pytest.approx(np.maximum(-mean, 0).sum() / np.abs(mean).sum())


def test_the_group_is_chosen_on_the_other_half() -> None:
    one, other = np.array([[2.0, 1.0]]), np.array([[1.0, 4.0]])
    found = metrics.impurity(np.stack([one, one, other, other]))
    # On the first half the second half's choice, group 1, counts, and the reverse.
    assert found.own.tolist() == [1, 1, 1, 1]
    assert found.value == pytest.approx(1 - 4 / 16)


def test_choice_and_sums_on_the_same_half_would_be_biased() -> None:
    rng = np.random.default_rng(0)
    # Units without any preference among ten groups: the truth is 0.9.
    noisy = [1 + rng.standard_normal((8, 50, 10)) for _ in range(20)]
    assert np.mean([metrics.impurity(g).value for g in noisy]) == pytest.approx(0.9, abs=0.01)
    same = [1 - g.mean(0).max(1).sum() / g.mean(0).sum() for g in noisy]
    assert np.mean(same) < 0.87


def test_impurity_of_squares_is_that_of_the_squares_without_noise() -> None:
    gains = np.array([[3.0, 1.0], [-1.0, 2.0]])
    assert metrics.impurity_of_squares(planted(gains.tolist())) == pytest.approx(2 / 15)
    rng = np.random.default_rng(1)
    noisy = [gains + 2 * rng.standard_normal((30, 2, 2)) for _ in range(300)]
    assert np.mean([metrics.impurity_of_squares(g) for g in noisy]) == pytest.approx(2 / 15, abs=0.03)


def test_permuted_gains_keep_groups_and_dead_units() -> None:
    gains = np.random.default_rng(0).standard_normal((4, 7, 3))
    gains[:, 2] = 0
    dealt = metrics.permuted(gains, generator=np.random.default_rng(1))
    assert (dealt[:, 2] == 0).all()
    for fold in range(4):
        for group in range(3):
            assert sorted(dealt[fold, :, group]) == sorted(gains[fold, :, group])
    places = {tuple(dealt[0, :, group].argsort()) for group in range(3)}
    assert len(places) > 1


def test_participation_ratio_counts_equal_groups() -> None:
    found = metrics.participation_ratio(np.array([[1, 0, 0], [2, 2, 0], [1, 1, 1], [0, 0, 0], [1, -0.1, 0]]))
    assert found[:3] == pytest.approx([1, 2, 3])
    assert np.isnan(found[3:]).all()


def test_class_selectivity_by_hand() -> None:
    hidden = np.array([[1.0, 0, 1, -1], [3, 0, 1, 1], [1, 0, 1, 1], [0, 0, 1, 1]])
    found = metrics.class_selectivity(hidden, np.array([0, 0, 1, 2]))
    assert found[0] == pytest.approx((2 - 0.5) / (2 + 0.5))
    assert found[2] == 0
    assert np.isnan(found[[1, 3]]).all()


def test_reading_impurity_counts_what_is_read_outside_the_clause() -> None:
    gains = planted([[2, 2, 1, 0], [0, 0, 3, 3]])
    found = metrics.reading_impurity(gains, np.array([[0, 1], [2, 3]]))
    assert found.value == pytest.approx(1 / 11)
    assert metrics.reading_impurity(gains, np.array([[0, 2], [1, 3]])).value == pytest.approx(1 - (3 + 3) / 11)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.impurity(np.ones((1, 2, 3))), "must be \\(folds ≥ 2"),
        (lambda: metrics.impurity(np.full((2, 2, 3), np.nan)), "gains: holds NaN"),
        (lambda: metrics.impurity_of_squares(np.ones((2, 2, 3))), "folds ≥ 3"),
        (lambda: metrics.permuted(np.ones((2, 2, 3)), generator=1), "generator=1"),  # type: ignore[arg-type]
        (lambda: metrics.class_selectivity(np.ones((3, 2)), np.array([0, 2, 2])), r"classes have \[1, 0, 2\]"),
        (lambda: metrics.class_selectivity(np.ones((3, 2)), np.array([0, 1])), "labels: have shape"),
        (lambda: metrics.reading_impurity(np.ones((2, 2, 3)), np.array([[0, 3]])), "inputs below 3"),
    ],
)
def test_bad_input_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_gains_that_sum_to_nothing_have_no_impurity() -> None:
    found = metrics.impurity(np.zeros((2, 3, 2)))
    assert np.isnan(found.value)
    assert found.negative == 0
    assert np.isnan(metrics.impurity_of_squares(np.zeros((3, 3, 2))))
