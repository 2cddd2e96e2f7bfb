from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from poly import metrics

Array = NDArray[Any]


def layer(units: int = 6, outputs: int = 3, examples: int = 400, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    hidden = np.maximum(rng.standard_normal((examples, units)), 0)
    readout = rng.standard_normal((units, outputs))
    return hidden, readout, 0.3 * rng.standard_normal((examples, outputs))


def planted(shares: list[list[float]], folds: int = 6) -> Array:
    """Gains without noise."""
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


def test_squared_error_gains_are_those_of_ablation() -> None:
    hidden, readout, errors = layer()
    found = metrics.squared_error_gains(hidden, readout, errors, folds=4)
    for j in range(6):
        changed = hidden.copy()
        changed[:, j] = hidden[:, j].mean()
        rise = np.square(errors + (changed - hidden) @ readout) - np.square(errors)
        assert np.allclose(found[:, j], rise.reshape(4, 100, 3).mean(axis=1), rtol=1e-10, atol=1e-12)


def test_group_gains_are_those_of_ablating_all_units_of_a_group() -> None:
    hidden, readout, errors = layer()
    serves = np.array([0, 0, 2, 2, 2, 0])
    found = metrics.group_gains(hidden, readout, errors, serves, folds=2)
    for s in range(3):
        changed = np.where(serves == s, hidden.mean(axis=0), hidden)
        rise = np.square(errors + (changed - hidden) @ readout) - np.square(errors)
        assert np.allclose(found[:, s], rise.reshape(2, 200, 3).mean(axis=1), rtol=1e-10, atol=1e-12)
    assert (found[:, 1] == 0).all()


def test_two_units_that_stand_in_for_each_other_hide_their_gains_but_not_the_group() -> None:
    signal = np.random.default_rng(0).standard_normal(1000)
    hidden, readout = np.stack([signal, signal], axis=1), np.array([[0.5], [0.5]])
    errors = hidden @ readout - signal[:, None]
    alone = metrics.squared_error_gains(hidden, readout, errors, folds=1)[0]
    group = metrics.group_gains(hidden, readout, errors, np.zeros(2, int), folds=1)[0]
    assert group.item() == pytest.approx(2 * alone.sum(), rel=1e-9)


def test_reading_gains_are_those_of_one_unit_that_reads_a_mean() -> None:
    rng = np.random.default_rng(2)
    x, W1, b1 = rng.random((300, 4)), rng.standard_normal((4, 5)), rng.standard_normal(5)
    hidden, readout = np.maximum(x @ W1 + b1, 0), rng.standard_normal((5, 2))
    errors = hidden @ readout - rng.standard_normal((300, 2))
    found = metrics.reading_gains(x, W1, b1, readout, errors, folds=3)
    for i in range(4):
        changed = x.copy()
        changed[:, i] = x[:, i].mean()
        for j in range(5):
            one = hidden.copy()
            one[:, j] = np.maximum(changed @ W1[:, j] + b1[j], 0)
            rise = (np.square(errors + (one - hidden) @ readout) - np.square(errors)).sum(axis=1)
            assert np.allclose(found[:, j, i], rise.reshape(3, 100).mean(axis=1), rtol=1e-9, atol=1e-12)


def test_reading_impurity_counts_what_is_read_outside_the_clause() -> None:
    gains = planted([[2, 2, 1, 0], [0, 0, 3, 3]])
    found = metrics.reading_impurity(gains, np.array([[0, 1], [2, 3]]))
    assert found.value == pytest.approx(1 / 11)
    assert metrics.reading_impurity(gains, np.array([[0, 2], [1, 3]])).value == pytest.approx(1 - (3 + 3) / 11)


@given(seed=st.integers(0, 50), scale=st.floats(0.05, 20))
def test_rescaling_units_changes_nothing(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    x, W1, b1 = rng.random((60, 3)), rng.standard_normal((3, 4)), rng.standard_normal(4)
    readout = rng.standard_normal((4, 2))
    errors = np.maximum(x @ W1 + b1, 0) @ readout - rng.standard_normal((60, 2))
    factors = np.array([scale, 1, 1 / scale, 2])
    results = []
    for factor in (np.ones(4), factors):
        V1, c1, V2 = W1 * factor, b1 * factor, readout / factor[:, None]
        hidden = np.maximum(x @ V1 + c1, 0)
        gains = metrics.squared_error_gains(hidden, V2, errors, folds=2)
        reading = metrics.reading_gains(x, V1, c1, V2, errors, folds=2)
        results.append((gains, reading))
    for one, other in zip(*results, strict=True):
        assert np.allclose(one, other, rtol=1e-8, atol=1e-10)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.impurity(np.ones((1, 2, 3))), "must be \\(folds ≥ 2"),
        (lambda: metrics.impurity(np.full((2, 2, 3), np.nan)), "gains: holds NaN"),
        (lambda: metrics.impurity_of_squares(np.ones((2, 2, 3))), "folds ≥ 3"),
        (lambda: metrics.permuted(np.ones((2, 2, 3)), generator=1), "generator=1"),  # type: ignore[arg-type]
        (lambda: metrics.squared_error_gains(np.ones((5, 2)), np.ones((3, 1)), np.ones((5, 1))), "must fit"),
        (lambda: metrics.squared_error_gains(*layer(examples=3), folds=4), "folds=4: must be at most the 3"),
        (lambda: metrics.group_gains(*layer(), np.array([0, 1, 2, 3, 0, 0])), "an output below 3"),
        (lambda: metrics.class_selectivity(np.ones((3, 2)), np.array([0, 2, 2])), r"classes have \[1, 0, 2\]"),
        (lambda: metrics.class_selectivity(np.ones((3, 2)), np.array([0, 1])), "labels: have shape"),
        (lambda: metrics.reading_impurity(np.ones((2, 2, 3)), np.array([[0, 3]])), "inputs below 3"),
        (
            lambda: metrics.reading_gains(
                np.ones((4, 3)), np.ones((2, 2)), np.ones(2), np.ones((2, 1)), np.ones((4, 1))
            ),
            "x, W1, b1: have shapes",
        ),
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
