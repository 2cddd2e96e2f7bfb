"""Gains of units: the formulas agree with ablation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from poly import metrics

Array = NDArray[Any]


def layer(units: int = 6, outputs: int = 3, examples: int = 400, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    hidden = np.maximum(rng.standard_normal((examples, units)), 0)
    readout = rng.standard_normal((units, outputs))
    return hidden, readout, 0.3 * rng.standard_normal((examples, outputs))


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


def test_cross_entropy_gains_are_those_of_ablation() -> None:
    hidden, readout, _ = layer()
    outputs = hidden @ readout + np.array([0.5, 0, -0.5])
    labels = np.random.default_rng(3).integers(3, size=400)
    found = metrics.cross_entropy_gains(hidden, readout, outputs, labels, folds=4)

    def losses(changed: Array) -> Array:
        p = special.softmax(changed, axis=1)
        right = labels[:, None] == np.arange(3)
        return np.asarray(-np.log(np.where(right, p, 1 - p)))

    for j in range(6):
        changed = hidden.copy()
        changed[:, j] = hidden[:, j].mean()
        rise = losses(outputs + (changed - hidden) @ readout) - losses(outputs)
        assert np.allclose(found[:, j], rise.reshape(4, 100, 3).mean(axis=1), rtol=1e-8, atol=1e-10)


def test_cross_entropy_gains_are_finite_where_a_network_is_sure() -> None:
    outputs = np.array([[800.0, 0], [0, 800], [0, 800], [800, 0]])
    found = metrics.cross_entropy_gains(np.eye(4), 800 * np.eye(4, 2), outputs, np.array([0, 1, 0, 1]))
    assert np.isfinite(found).all()


def test_a_common_offset_of_all_outputs_costs_no_digits() -> None:
    rng = np.random.default_rng(5)
    hidden, readout = 4.0 * rng.integers(0, 3, (8, 3)), 1.0 * rng.integers(-3, 4, (3, 4))
    hidden[-1] += 8 * np.ceil(hidden.sum(axis=0) / 8) - hidden.sum(axis=0)  # whole means: all sums are exact
    outputs, labels = hidden @ readout, rng.integers(0, 4, 8)
    gains = metrics.cross_entropy_gains(hidden, readout, outputs, labels)
    assert np.abs(gains).max() > 1
    assert np.array_equal(metrics.cross_entropy_gains(hidden, readout, outputs + 2.0**40, labels), gains)


def test_a_sure_mistake_costs_the_gap_of_the_outputs() -> None:
    hidden = np.eye(2)
    # Both examples are of class 1. Without ablation the first one's outputs are 80 and 0, with it 40 and 0.
    gains = metrics.cross_entropy_gains(hidden, [[80, 0], [0, 0]], [[80, 0], [0, 0]], np.array([1, 1]), folds=2)
    assert gains[0, 0] == pytest.approx([-40, -40])


def test_rises_are_averaged_by_group_and_fold() -> None:
    rise = np.array([[1.0, 10], [3, 30], [5, 50], [7, 70], [9, 90], [11, 110]])
    found = metrics.by_group(rise, np.array([0, 1, 0, 1, 0, 1]), folds=3)
    assert found[:, 0].tolist() == [[1, 3], [5, 7], [9, 11]]
    assert found[:, 1].tolist() == [[10, 30], [50, 70], [90, 110]]
    whole = metrics.by_group(rise, np.array([0, 0, 1, 1, 1, 1]), folds=1)
    assert whole[0, 0].tolist() == [2, 8]


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
        (lambda: metrics.squared_error_gains(np.ones((5, 2)), np.ones((3, 1)), np.ones((5, 1))), "must fit"),
        (lambda: metrics.squared_error_gains(*layer(examples=3), folds=4), "folds=4: must be at most the 3"),
        (lambda: metrics.group_gains(*layer(), np.array([0, 1, 2, 3, 0, 0])), "an output below 3"),
        (
            lambda: metrics.reading_gains(
                np.ones((4, 3)), np.ones((2, 2)), np.ones(2), np.ones((2, 1)), np.ones((4, 1))
            ),
            "x, W1, b1: have shapes",
        ),
        (lambda: metrics.cross_entropy_gains(*layer(), np.zeros(3, int)), r"labels: have shape \(3,\) and type"),
        (lambda: metrics.cross_entropy_gains(*layer(), np.full(400, 3)), "classes below 3"),
        (lambda: metrics.by_group(np.ones(3), np.zeros(3, int)), "rise: has shape"),
        (lambda: metrics.by_group(np.full((3, 1), np.nan), np.zeros(3, int)), "must be finite numbers"),
        (lambda: metrics.by_group(np.ones((3, 1)), np.zeros(2, int)), "groups: have shape"),
        (
            lambda: metrics.by_group(np.ones((3, 1)), np.array([0, 0, 1])),
            "folds=2: must be at most 1, the examples of group 1",
        ),
    ],
)
def test_bad_input_is_refused(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
