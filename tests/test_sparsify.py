import math
import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from poly import sparsify

Array = NDArray[np.float64]


NAN, INF = math.nan, math.inf


def row(m: int, seed: int = 0, scale: float = 1.0) -> Array:
    return np.asarray(np.random.default_rng(seed).normal(size=m) * scale / m**0.5)


def steps(w0: Any, shrink: float, step: float = 0.5) -> Iterator[Array]:
    """Yield the sizes of the weights before every step of the plain simulation; a size that reaches 0 stays there."""
    w = np.abs(np.asarray(w0, dtype=np.float64))
    while True:
        yield w
        norm2 = math.fsum(w * w) if w.size < 2000 else (w * w).sum()
        w = np.where(w > 0, np.maximum(w + step * ((1 - norm2) * w - shrink), 0.0), 0.0)


def simulate(w0: Any, shrink: float, step: float = 0.5, t_end: float | None = None) -> tuple[sparsify.Path, Array]:
    """Return the path and the last state of the plain simulation."""
    path: list[tuple[float, int, float, float]] = []
    for i, w in enumerate(steps(w0, shrink, step)):
        path.append((i * step, int((w > 0).sum()), float(w.sum()), float(np.sqrt((w * w).sum()))))
        over = (w > 0).sum() <= 1 or (w[w > 0] == w.max()).all() if t_end is None else i * step >= t_end - 1e-9
        if over:
            columns = list(zip(*path, strict=True))
            return sparsify.Path(np.array(columns[0]), np.array(columns[1]), *map(np.array, columns[2:])), w
    raise AssertionError


def assert_same(found: sparsify.Path, expected: sparsify.Path, rel: float = 1e-9) -> None:
    assert found.t.tolist() == expected.t.tolist()
    assert found.survivors.tolist() == expected.survivors.tolist()
    np.testing.assert_allclose(found.l1_norm, expected.l1_norm, rtol=rel, atol=1e-14)
    np.testing.assert_allclose(found.l2_norm, expected.l2_norm, rtol=rel, atol=1e-14)


# A table of rows, each followed to the end of its race by the plain simulation.

RACES: list[tuple[str, list[float], float, float]] = [
    ("one weight", [0.3], 0.01, 0.5),
    ("two", [0.5, 0.4], 0.1, 0.5),
    ("mixed signs", [0.1, -0.5, 0.4, -0.2], 0.05, 0.5),
    ("zeros in the start", [0.0, 0.5, -0.0, 0.4, 0.0], 0.05, 0.25),
    ("all equal", [0.2, -0.2, 0.2], 0.01, 0.5),
    ("tied leaders", [0.5, 0.1, -0.5, 0.3], 0.02, 0.5),
    ("ties among losers", [0.5, 0.2, 0.2, -0.2, 0.3, 0.3], 0.02, 0.5),
    ("all zero", [0.0, 0.0], 0.1, 0.5),
    ("one zero weight", [0.0], 0.1, 0.5),
    ("a zero and a weight", [0.0, -0.7], 0.1, 0.5),
    ("too weak to live", [0.01, 0.02], 0.5, 0.5),
    ("long norm", [1.2, -0.9, 0.3], 0.02, 0.3),
    ("fine steps", [0.5, 0.4, 0.45], 0.1, 0.01),
    ("a coarse step", [0.3, 0.2, 0.1], 0.02, 1.5),
]


@pytest.mark.parametrize(("w0", "shrink", "step"), [race[1:] for race in RACES], ids=[race[0] for race in RACES])
def test_small_races_against_the_simulation(w0: list[float], shrink: float, step: float) -> None:
    assert_same(sparsify.sparsify(w0, shrink, step=step), simulate(w0, shrink, step)[0])


@pytest.mark.parametrize(("w0", "shrink", "step"), [race[1:] for race in RACES], ids=[race[0] for race in RACES])
@pytest.mark.parametrize("t", [0.0, 0.5, 3.0, 30.0, 300.0])
def test_small_rows_against_the_simulation(w0: list[float], shrink: float, step: float, t: float) -> None:
    """Compare norms and weights at given times, also long after the race is over."""
    path, w = simulate(w0, shrink, step, t_end=t)
    assert_same(sparsify.sparsify(w0, shrink, step=step, t_end=t), path)
    found = sparsify.weights_at(w0, shrink, t, step=step)
    np.testing.assert_allclose(found, np.copysign(w, w0) * (w > 0), rtol=1e-9, atol=1e-15)
    assert (found == 0).tolist() == (w == 0).tolist()


def test_the_first_steps_by_hand() -> None:
    # ‖w‖² = 0.25: growth 1 + 0.5 · 0.75 = 1.375, shrinkage 0.5 · 0.5 = 0.25.
    path = sparsify.sparsify([0.4, -0.3], 0.5, t_end=1)
    first = [0.4 * 1.375 - 0.25, 0.3 * 1.375 - 0.25]
    second = [w * (1.5 - 0.5 * (0.3**2 + 0.1625**2)) - 0.25 for w in first]
    assert first == pytest.approx([0.3, 0.1625])
    assert second[1] < 0
    assert path.t.tolist() == [0, 0.5, 1]
    assert path.survivors.tolist() == [2, 2, 1]
    assert path.l1_norm.tolist() == pytest.approx([0.7, 0.4625, second[0]], rel=1e-12)
    assert path.l2_norm.tolist() == pytest.approx([0.5, math.hypot(*first), second[0]], rel=1e-12)
    assert sparsify.weights_at([0.4, -0.3], 0.5, 0.5).tolist() == pytest.approx([first[0], -first[1]], rel=1e-12)


@given(
    st.lists(st.floats(-1, 1).map(lambda w: round(w, 2)), min_size=1, max_size=8),
    st.sampled_from([0.3, 0.05, 0.01]),
    st.sampled_from([0.5, 0.2]),
    st.sampled_from([0.0, 0.4, 0.5, 2.0, 20.0]),
)
def test_any_row_against_the_simulation(w0: list[float], shrink: float, step: float, t: float) -> None:
    assume(sum(w * w for w in w0) < 1 + 1 / step)
    path, w = simulate(w0, shrink, step, t_end=t)
    assume(all(w * w < 1 + 1 / step - 1e-6 for w in path.l2_norm))
    # A weight that lands on 0 up to rounding may die one step earlier or later.
    assume(all(v == 0 or v > 1e-12 for v in w))
    assert_same(sparsify.sparsify(w0, shrink, step=step, t_end=t), path)
    np.testing.assert_allclose(
        sparsify.weights_at(w0, shrink, t, step=step), np.copysign(w, w0) * (w > 0), rtol=1e-9, atol=1e-14
    )


@pytest.mark.parametrize(
    ("m", "shrink", "step", "scale"),
    [
        (1_000, 3e-3, 0.5, 0.9),
        (1_000, 1e-2, 0.1, 1.0),
        (10_000, 3e-3, 0.5, 0.9),
        (100_000, 2e-3, 0.5, 0.9),
        (100_000, 1e-3, 0.5, 0.8),
    ],
)
def test_long_rows_against_the_simulation(m: int, shrink: float, step: float, scale: float) -> None:
    w0 = row(m, scale=scale)
    expected, _ = simulate(w0, shrink, step)
    found = sparsify.sparsify(w0, shrink, step=step)
    assert found.survivors[0] == m
    assert found.survivors[-1] <= 1
    assert len(found.t) > 100
    assert_same(found, expected)
    middle = float(found.t[len(found.t) // 3])
    _, w = simulate(w0, shrink, step, t_end=middle)
    np.testing.assert_allclose(
        sparsify.weights_at(w0, shrink, middle, step=step), np.copysign(w, w0) * (w > 0), rtol=1e-9, atol=1e-12
    )


def test_the_path_does_not_see_order_or_signs() -> None:
    w0 = row(500)
    shuffled = np.random.default_rng(1).permutation(w0)
    for other in (shuffled, np.abs(w0), -w0, w0.tolist()):
        for a, b in zip(sparsify.sparsify(other, 0.01), sparsify.sparsify(w0, 0.01), strict=True):
            assert a.tolist() == b.tolist()
    order = np.argsort(w0)
    assert sparsify.weights_at(w0[order], 0.01, 20).tolist() == sparsify.weights_at(w0, 0.01, 20)[order].tolist()
    assert sparsify.weights_at(-w0, 0.01, 20).tolist() == (-sparsify.weights_at(w0, 0.01, 20)).tolist()


def test_the_start_is_left_as_it_was() -> None:
    w0 = row(100)
    before = w0.copy()
    sparsify.sparsify(w0, 0.05)
    sparsify.weights_at(w0, 0.05, 3)
    assert w0.tolist() == before.tolist()


def test_types_of_a_path() -> None:
    path = sparsify.sparsify(row(50).astype(np.float32), 0.05)
    assert path.survivors.dtype == np.int64
    assert {path.t.dtype, path.l1_norm.dtype, path.l2_norm.dtype} == {np.dtype(np.float64)}
    assert len({len(column) for column in path}) == 1


# Where the path ends


@pytest.mark.parametrize(
    ("t_end", "step", "last"),
    [
        (0, 0.5, 0),
        (0.5, 0.5, 1),
        (0.6, 0.5, 2),
        (3, 0.5, 6),
        (0.3, 0.1, 3),
        (0.7, 0.1, 7),
        (1e-9, 0.5, 1),
        (40, 0.1, 400),
    ],
)
def test_the_path_ends_at_the_first_step_at_or_beyond_t_end(t_end: float, step: float, last: int) -> None:
    path = sparsify.sparsify([0.5, 0.4], 0.01, step=step, t_end=t_end)
    assert path.t.tolist() == [i * step for i in range(last + 1)]


def test_a_path_with_t_end_goes_on_after_the_race() -> None:
    race = sparsify.sparsify([0.5, 0.4], 0.1)
    long = sparsify.sparsify([0.5, 0.4], 0.1, t_end=200)
    assert race.survivors[-1] == 1
    assert race.survivors[-2] == 2
    assert race.t[-1] < 100
    assert long.t[-1] == 200
    assert long.l1_norm[: len(race.t)].tolist() == race.l1_norm.tolist()
    # The last weight comes to rest where (1 − w²) w = λ.
    assert (1 - long.l1_norm[-1] ** 2) * long.l1_norm[-1] == pytest.approx(0.1, rel=1e-9)


def test_a_dead_weight_stays_dead_after_the_race() -> None:
    assert sparsify.weights_at([0.5, -0.4], 0.1, 200).tolist()[1] == 0
    tied = sparsify.weights_at([0.5, 0.4, -0.5], 0.05, 300)
    assert tied[1] == 0
    assert tied[0] == -tied[2] > 0.6


def test_without_pull_nothing_dies() -> None:
    path = sparsify.sparsify([0.3, 0.1, 0.2], 0.0, t_end=50)
    assert set(path.survivors.tolist()) == {3}
    assert path.l2_norm[-1] == pytest.approx(1, rel=1e-12)
    assert sparsify.weights_at([0.3, -0.1, 0.2], 0, 50).tolist() == pytest.approx(
        [3 / 14**0.5, -1 / 14**0.5, 2 / 14**0.5], rel=1e-9
    )


@pytest.mark.parametrize("a", [0.5, 0.1, 1e-3])
def test_leaders_one_ulp_apart_are_told_apart(a: float) -> None:
    w0 = [a, math.nextafter(a, 1), a / 2]
    path = sparsify.sparsify(w0, a / 10)
    assert path.survivors[-1] == 1
    assert path.t[-1] > 100
    final = sparsify.weights_at(w0, a / 10, float(path.t[-1]))
    assert np.flatnonzero(final).tolist() == [1]


def test_exactly_tied_leaders_end_the_race_together() -> None:
    path = sparsify.sparsify([0.5, -0.5, 0.4], 0.05)
    assert path.survivors[-1] == 2
    assert path.survivors[-2] == 3
    assert sparsify.sparsify([0.2] * 5, 0.01).t.tolist() == [0]


def test_a_very_long_run_does_not_overflow() -> None:
    """Run for 100,000 units of time, over which the growth factors alone would multiply to e^5000."""
    path = sparsify.sparsify([0.5, 0.5, 0.1], 0.05, t_end=100_000)
    assert np.isfinite(path.l2_norm).all()
    assert path.survivors[-1] == 2
    assert (1 - path.l2_norm[-1] ** 2) * path.l1_norm[-1] == pytest.approx(0.1, rel=1e-9)


def test_prefix_sums_are_compensated() -> None:
    gaps = np.concatenate([[1e8], np.full(20_000, 0.1)])
    sums, squares = sparsify._prefix_sums(gaps)
    assert sums[0] == squares[0] == 0
    for k in (1, 2, 777, len(gaps)):
        assert sums[k] == pytest.approx(math.fsum(gaps[:k]), rel=3e-16)
        assert squares[k] == pytest.approx(math.fsum(gaps[:k] ** 2), rel=3e-16)


# Thinning


@pytest.mark.parametrize("most", [4, 16, 64])
@pytest.mark.parametrize("t_end", [None, 0, 1.5, 2, 50, 77.5, 100])
def test_a_long_path_is_thinned(monkeypatch: pytest.MonkeyPatch, most: int, t_end: float | None) -> None:
    w0 = row(200)
    whole = sparsify.sparsify(w0, 0.01, t_end=t_end)
    monkeypatch.setattr(sparsify, "_MOST_RECORDS", most)
    thin = sparsify.sparsify(w0, 0.01, t_end=t_end)
    assert len(thin.t) <= most
    steps = len(whole.t) - 1
    stride = 1
    while steps // stride >= most - (steps % stride > 0):  # every stride-th record, and the last one, must fit
        stride *= 2
    kept = [*range(0, steps, stride), steps]
    for part, every in zip(thin, whole, strict=True):
        assert part.tolist() == every[kept].tolist()


def test_a_path_that_just_fits_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparsify, "_MOST_RECORDS", 8)
    assert len(sparsify.sparsify([0.3, 0.1], 0.0, t_end=3.5).t) == 8
    assert sparsify.sparsify([0.3, 0.1], 0.0, t_end=4).t.tolist() == [0, 1, 2, 3, 4]


def test_a_path_holds_a_million_records() -> None:
    assert sparsify._MOST_RECORDS == 10**6
    assert sparsify._MOST_STEPS == 10**10


# Speed


def race_of_the_living(w0: Array, shrink: float, step: float) -> tuple[int, int]:
    """Return steps and survivors at the end of a numpy loop that drops dead weights as it goes."""
    w, i = np.abs(w0), 0
    while w.size > 1:
        w = w + step * ((1 - w @ w) * w - shrink)
        if w.min() <= 0:
            w = w[w > 0]
        i += 1
    return i, w.size


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="measures compiled code")
def test_over_200_times_faster_than_a_numpy_loop_at_the_paper_s_size() -> None:
    w0 = row(100_000, scale=0.9)
    sparsify.sparsify(w0, 1e-5, t_end=1)  # compile
    fast = []
    for _ in range(20):  # the other core is at work, too: the best of many is the one left alone
        start = time.perf_counter()
        sparsify.sparsify(w0, 1e-5)
        fast.append(time.perf_counter() - start)
    path = sparsify.sparsify(w0, 1e-5)
    start = time.perf_counter()
    count, left = race_of_the_living(w0, 1e-5, 0.5)
    slow = time.perf_counter() - start
    assert (path.t[-1], path.survivors[-1]) == (count * 0.5, left)
    assert slow > 200 * min(fast), f"{slow:.3f} s against {min(fast):.4f} s"
