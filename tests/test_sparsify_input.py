"""Input that ``sparsify`` refuses, and the messages."""

import math
from typing import Any

import numpy as np
import pytest

from poly import sparsify
from test_sparsify import INF, NAN, assert_same, simulate, steps

# Loss of order


@pytest.mark.parametrize("step", [0.25, 0.5, 2.0])
def test_order_is_lost_exactly_where_growth_is_no_longer_positive(step: float) -> None:
    limit = 1 + 1 / step
    edge = math.sqrt(limit)
    good = edge * (1 - 1e-12)
    assert sparsify.sparsify([good, 0.1 * math.sqrt(1e-12)], 0.1, step=step, t_end=step).t.tolist() == [0, step]
    for bad in (edge * (1 + 1e-12), 2.0 * edge):
        with pytest.raises(ValueError, match=rf"^step={step}: at t=0 the row has ‖w‖²=.*; the Euler step keeps") as e:
            sparsify.sparsify([bad, 0.1], 0.1, step=step)
        assert f"‖w‖² < 1 + 1/step = {limit:.6g}, so it must be smaller" in str(e.value)
        assert f"has ‖w‖²={bad**2 + 0.01:.6g};" in str(e.value)


def test_at_the_very_edge_order_is_lost() -> None:
    with pytest.raises(ValueError, match=r"^step=0\.125: at t=0 the row has ‖w‖²=9; .* = 9, so"):
        sparsify.sparsify([3.0], 0.1, step=0.125, t_end=1)


def test_order_lost_late_names_its_time() -> None:
    # With a step of 3 a row overshoots: plain simulation says when.
    w0, shrink, step = [0.03, 0.02], 1e-3, 3.0
    lost = next(i for i, w in enumerate(steps(w0, shrink, step)) if (w * w).sum() >= 1 + 1 / step)
    assert lost > 1
    before = sparsify.sparsify(w0, shrink, step=step, t_end=lost * step)
    assert_same(before, simulate(w0, shrink, step, t_end=lost * step)[0])
    with pytest.raises(ValueError, match=rf"^step=3.0: at t={lost * step:g} the row"):
        sparsify.sparsify(w0, shrink, step=step, t_end=(lost + 1) * step)


# Bad input


@pytest.mark.parametrize(
    ("w0", "message"),
    [
        ([], r"^w0: has shape \(0,\), must be one row of shape \(m,\), m ≥ 1"),
        (0.5, r"^w0: has shape \(\), must be one row"),
        ([[0.5, 0.4]], r"^w0: has shape \(1, 2\), must be one row"),
        ([0.5, NAN], r"^w0: holds NaN or infinity, every entry must be finite"),
        ([NAN, 0.5, 0.1], r"^w0: holds NaN or infinity"),
        ([0.5, INF], r"^w0: holds NaN or infinity"),
        ([-INF, 0.5], r"^w0: holds NaN or infinity"),
        ("abc", r"^w0='abc': must be an array of real numbers"),
        ([0.5, 1j], r"^w0=.*: must be an array of real numbers"),
    ],
)
def test_bad_rows(w0: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sparsify.sparsify(w0, 0.1)
    with pytest.raises(ValueError, match=message):
        sparsify.weights_at(w0, 0.1, 1.0)


@pytest.mark.parametrize("value", [-1e-9, NAN, INF, None, "1"])
def test_bad_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^shrink={value!r}: must be a finite number ≥ 0$"):
        sparsify.sparsify([0.5], value)
    with pytest.raises(ValueError, match=rf"^step={value!r}: must be a finite number > 0$"):
        sparsify.sparsify([0.5], 0.1, step=value)
    with pytest.raises(ValueError, match=rf"^t={value!r}: must be a finite number ≥ 0$"):
        sparsify.weights_at([0.5], 0.1, value)
    if value is not None:
        with pytest.raises(ValueError, match=rf"^t_end={value!r}: must be a finite number ≥ 0$"):
            sparsify.sparsify([0.5], 0.1, t_end=value)


def test_step_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"^step=0: must be a finite number > 0$"):
        sparsify.sparsify([0.5], 0.1, step=0)


def test_an_endless_race_is_refused() -> None:
    for shrink, step in [(0.0, 0.5), (1.9e-10, 0.5), (0.9e-10, 1.0)]:
        with pytest.raises(ValueError, match=rf"^shrink={shrink!r}: at step={step!r} the race lasts over 1e10 steps; "):
            sparsify.sparsify([0.5, 0.4], shrink, step=step)
        assert len(sparsify.sparsify([0.5, 0.4], shrink, step=step, t_end=1).t) == 1 + math.ceil(1 / step)
    # These would last long, were there a second weight.
    for shrink, step in [(2e-10, 0.5), (1e-10, 1.0)]:
        assert sparsify.sparsify([0.5], shrink, step=step).t.tolist() == [0]


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^t_end=5000000001\.0: is over 1e10 steps of step=0\.5, must be nearer"):
        sparsify.sparsify([0.5], 0.1, t_end=5_000_000_001.0)
    with pytest.raises(ValueError, match=r"^t_end=1: is over 1e10 steps of step=9e-11, must be nearer"):
        sparsify.sparsify([0.5], 0.1, step=9e-11, t_end=1)


def test_the_limit_on_steps_is_inclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparsify, "_MOST_STEPS", 4)
    assert len(sparsify.sparsify([0.5], 0.1, t_end=2).t) == 5
    with pytest.raises(ValueError, match=r"^t_end=2\.25: is over 1e10 steps"):
        sparsify.sparsify([0.5], 0.1, t_end=2.25)


@pytest.mark.parametrize(
    ("size", "step", "message"),
    [
        (1e101, 0.5, r"^w0: has an entry of size 6e\+100, must be at most 1e\+100$"),
        (1e308, 0.5, r"^w0: has an entry of size 6e\+307, must be at most 1e\+100$"),
        (1.0, 1e300, r"^step=.*must be smaller$"),
    ],
)
def test_an_overflowing_norm_is_an_error_and_not_a_hang(size: float, step: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sparsify.sparsify(np.array([0.6, 0.5, 0.4]) * size, 1e-3, step=step)
    with pytest.raises(ValueError, match=message):
        sparsify.weights_at(np.array([0.6, 0.5, 0.4]) * size, 1e-3, 1e4 * step, step=step)
