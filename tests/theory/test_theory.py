import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from poly import sparsify, theory

NAN, INF = math.nan, math.inf

# At its limits a formula gives the limit, without a warning of 0/0 on the way.
# Warnings of sockets and event loops that earlier tests left open are ignored.
pytestmark = pytest.mark.filterwarnings(
    "error", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


# Counts


@pytest.mark.parametrize(("n", "m", "expected"), [(256, 512, 32.0), (1, 1, 0.25), (3, 5, 0.45), (10, 10, 2.5)])
def test_polysemantic_neurons(n: int, m: int, expected: float) -> None:
    assert theory.polysemantic_neurons(n, m) == expected


def both_signs(slots: Sequence[int]) -> int:
    """Count the neurons of which slot 2k and slot 2k + 1 are both taken."""
    taken = set(slots)
    return sum(2 * k in taken and 2 * k + 1 in taken for k in {slot // 2 for slot in slots})


SMALL = [(n, m) for m in range(1, 6) for n in range(1, 2 * m + 1)]


@pytest.mark.parametrize(("n", "m"), SMALL)
def test_slots_against_enumeration(n: int, m: int) -> None:
    counted = Counter(both_signs(chosen) for chosen in itertools.combinations(range(2 * m), n))
    total = sum(counted.values())
    mean = sum(k * c for k, c in counted.items()) / total
    variance = sum((k - mean) ** 2 * c for k, c in counted.items()) / total
    law = theory.slots(n, m)
    for k in range(-1, m + 2):
        assert float(law.pmf(k)) == pytest.approx(counted[k] / total, rel=1e-11, abs=1e-15)
    assert float(law.mean()) == pytest.approx(mean, rel=1e-11, abs=1e-15)
    assert float(law.mean()) == pytest.approx(n * (n - 1) / (2 * (2 * m - 1)), rel=1e-11, abs=1e-15)
    assert float(law.var()) == pytest.approx(variance, rel=1e-10, abs=1e-12)
    assert law.support() == (min(counted), max(counted))


@pytest.mark.parametrize(("n", "m"), [(256, 512), (256, 2048), (1000, 600), (2, 100_000), (200, 100), (10_000, 20_000)])
def test_slots_at_size(n: int, m: int) -> None:
    law = theory.slots(n, m)
    assert float(law.mean()) == pytest.approx(n * (n - 1) / (2 * (2 * m - 1)), rel=1e-8)
    k = np.arange(n // 2 + 1)
    assert float(law.pmf(k).sum()) == pytest.approx(1, rel=1e-12)
    # By the factorial moment E[K (K − 1)] = m (m − 1) C(2m − 4, n − 4) / C(2m, n).
    pairs = m * (m - 1) * math.prod((n - i) / (2 * m - i) for i in range(4))
    mean = n * (n - 1) / (2 * (2 * m - 1))
    assert float(law.var()) == pytest.approx(pairs + mean - mean**2, rel=1e-6, abs=1e-9)


def test_slots_is_full_or_empty_at_the_ends() -> None:
    assert float(theory.slots(10, 5).pmf(5)) == 1
    assert float(theory.slots(1, 5).pmf(0)) == 1


@pytest.mark.parametrize(("n", "m"), [(n, m) for m in range(1, 5) for n in range(1, 6)])
def test_balls_in_bins_against_enumeration(n: int, m: int) -> None:
    outcomes = [both_signs(chosen) for chosen in itertools.product(range(2 * m), repeat=n)]
    assert theory.balls_in_bins(n, m) == pytest.approx(sum(outcomes) / len(outcomes), rel=1e-13, abs=1e-15)


@given(st.integers(1, 40), st.integers(1, 60))
def test_balls_in_bins_is_its_formula(n: int, m: int) -> None:
    plain = m * (1 - 2 * (1 - 1 / (2 * m)) ** n + (1 - 1 / m) ** n)
    assert theory.balls_in_bins(n, m) == pytest.approx(plain, rel=1e-10, abs=1e-12)


def test_balls_in_bins_against_monte_carlo() -> None:
    n, m, draws = 256, 512, 4000
    slots = np.random.default_rng(0).integers(0, 2 * m, (draws, n))
    counts = np.array([both_signs(row) for row in slots.tolist()])
    error = counts.std(ddof=1) / draws**0.5
    assert theory.balls_in_bins(n, m) == pytest.approx(counts.mean(), abs=4 * error)


def test_balls_in_bins_keeps_its_digits_at_large_m() -> None:
    # n (n − 1) / 4m up to a relative n/m; the plain formula has no correct digit left here.
    assert theory.balls_in_bins(2, 10**12) == pytest.approx(2 / (4 * 10**12), rel=1e-3)
    assert theory.balls_in_bins(100, 10**10) == pytest.approx(9900 / (4 * 10**10), rel=1e-4)


# One row: the paper's formulas


@given(st.floats(0, 0.999), st.floats(0, 10))
def test_threshold(norm2: float, shrink: float) -> None:
    theta = float(theory.threshold(norm2, shrink))
    assert theta == pytest.approx(shrink / (1 - norm2), rel=1e-12)
    # At θ itself a weight stands still.
    assert (1 - norm2) * theta - shrink == pytest.approx(0, abs=1e-12)


def test_threshold_without_room() -> None:
    found = theory.threshold([[0.0, 0.5], [1.0, 2.0]], 0.25)
    assert found.tolist() == [[0.25, 0.5], [INF, INF]]
    # Without λ nothing is in the way of growth, but there is none where ‖w‖² ≥ 1.
    assert theory.threshold([0.5, 1.0], 0).tolist() == [0.0, INF]


@given(st.floats(0, 1e8), st.integers(1, 10**9), st.floats(0, 1))
def test_the_paper_s_law(t: float, m: int, shrink: float) -> None:
    expected = 1 / (1 / math.sqrt(m) + shrink * t)
    assert float(theory.l1_norm(t, m, shrink)) == pytest.approx(expected, rel=1e-12)
    assert float(theory.survivors(t, m, shrink)) == pytest.approx(expected**2, rel=1e-12)


def test_the_paper_s_law_keeps_shapes() -> None:
    times = np.arange(6.0).reshape(2, 3)
    for law in (theory.l1_norm, theory.survivors):
        assert law(times, 100, 0.1).shape == (2, 3)
        assert law(0, 100, 0.1).shape == ()
    assert theory.l1_norm(times, 100, 0.1).ravel().tolist() == pytest.approx([1 / (0.1 + 0.1 * t) for t in range(6)])
    assert float(theory.survivors(0, 100, 0.1)) == pytest.approx(100)


# One row: the law without constants


@pytest.mark.parametrize("p", [0, 1, 2])
@pytest.mark.parametrize("z", [0.0, 0.1, 1.0, 3.0, 6.0, 12.0])
def test_truncated_moments_against_quadrature(p: int, z: float) -> None:
    # E[(|x| − z)₊ᵖ] = 2 φ(z) ∫ sᵖ e^{−z s − s²/2} ds, s from 0.
    integral, _ = integrate.quad(lambda s: s**p * math.exp(-z * s - s * s / 2), 0, 40, epsabs=0, epsrel=1e-12)
    expected = 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * integral
    assert float(theory._truncated_moment(p, z)) == pytest.approx(expected, rel=1e-10)


def test_truncated_moments_are_elementwise() -> None:
    for p in range(3):
        z = np.array([0.0, 1.0, 2.5])
        assert theory._truncated_moment(p, z).tolist() == [float(theory._truncated_moment(p, value)) for value in z]


@pytest.mark.parametrize("scale", [1.0, 0.9, 0.3])
def test_gaussian_row_starts_at_the_half_normal(scale: float) -> None:
    law = theory.gaussian_row([0], 1000, 0.01, scale)
    assert law.t.tolist() == [0]
    assert law.survivors.tolist() == pytest.approx([1000], rel=1e-9)
    assert law.l1_norm.tolist() == pytest.approx([scale * math.sqrt(2 * 1000 / math.pi)], rel=1e-9)
    assert law.l2_norm.tolist() == pytest.approx([scale], rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_gaussian_row_without_pull_is_logistic(scale: float) -> None:
    # d‖w‖²/dt = 2 (1 − ‖w‖²) ‖w‖²
    t = np.array([0.0, 0.5, 1.0, 4.0, 50.0])
    law = theory.gaussian_row(t, 400, 0.0, scale)
    norm = 1 / np.sqrt(1 + (1 / scale**2 - 1) * np.exp(-2 * t))
    assert law.survivors.tolist() == pytest.approx([400] * 5, rel=1e-9)
    assert law.l2_norm.tolist() == pytest.approx(norm.tolist(), rel=1e-8)
    assert law.l1_norm.tolist() == pytest.approx((norm * math.sqrt(2 * 400 / math.pi)).tolist(), rel=1e-8)


@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_gaussian_row_obeys_the_equations_of_its_norms(scale: float) -> None:
    """Sum ẇ = (1 − ‖w‖²) w − λ over survivors: d‖w‖₁/dt = (1 − ‖w‖²) ‖w‖₁ − λ m′, and so for ‖w‖²."""
    m, shrink = 10_000, 1e-3
    middle = np.array([0.5, 2.0, 10.0, 100.0, 1000.0])
    h = 1e-3 * middle
    times = np.sort(np.concatenate([middle - h, middle, middle + h]))
    law = theory.gaussian_row(times, m, shrink, scale)
    count, l1, norm2 = law.survivors[1::3], law.l1_norm[1::3], law.l2_norm[1::3] ** 2
    d_l1 = (law.l1_norm[2::3] - law.l1_norm[::3]) / (2 * h)
    d_norm2 = (law.l2_norm[2::3] ** 2 - law.l2_norm[::3] ** 2) / (2 * h)
    size = shrink * count + l1 / middle
    assert np.abs(d_l1 - ((1 - norm2) * l1 - shrink * count)) / size == pytest.approx(0, abs=1e-5)
    assert np.abs(d_norm2 - 2 * ((1 - norm2) * norm2 - shrink * l1)) / (2 * shrink * l1) == pytest.approx(0, abs=2e-4)


def test_gaussian_row_against_a_row() -> None:
    m, shrink = 100_000, 1e-4
    w0 = np.random.default_rng(3).normal(size=m) / m**0.5
    run = sparsify.sparsify(w0, shrink, step=0.05, t_end=600)
    at = np.array([0, 20, 200, 2000, 8000])
    law = theory.gaussian_row(run.t[at], m, shrink)
    # The count at a given time fluctuates like √m′ and moves a little with the sample's own norm.
    for k, i in enumerate(at):
        near = 5 / math.sqrt(law.survivors[k])
        assert run.survivors[i] == pytest.approx(law.survivors[k], rel=near)
        assert run.l1_norm[i] == pytest.approx(law.l1_norm[k], rel=near)
        assert run.l2_norm[i] == pytest.approx(law.l2_norm[k], rel=2e-2)


def test_gaussian_row_nears_its_asymptote() -> None:
    """Check ‖w‖₁ → 1/(λt) and m′ → 2/(λt)²: with more weights, survivors are deeper in the Gaussian tail."""
    laws = [theory.gaussian_row([0.02 * 10**k], 10 ** (2 * k - 6), 10.0**-k) for k in (9, 12, 18)]
    l1 = [float(law.l1_norm[0]) * 0.02 for law in laws]
    count = [float(law.survivors[0]) * 0.02**2 for law in laws]
    assert l1 == sorted(l1, key=lambda ratio: -abs(ratio - 1))
    assert count == sorted(count, key=lambda ratio: -abs(ratio - 2))
    assert l1[-1] == pytest.approx(1, abs=0.02)
    assert count[-1] == pytest.approx(2, abs=0.06)


@pytest.mark.parametrize("m", [100, 10_000])
def test_everything_dies_when_the_pull_is_strong(m: int) -> None:
    law = theory.gaussian_row([0, 0.01 / m**0.5, 1, 100], m, 100)
    assert law.survivors[0] == pytest.approx(m)
    assert 0 < law.survivors[1] < m
    for values in (law.survivors, law.l1_norm, law.l2_norm):
        assert values.shape == (4,)
        assert values[2:].tolist() == [0, 0]


def test_all_dead_before_the_first_time() -> None:
    law = theory.gaussian_row([5, 6], 100, 100.0)
    assert law.t.tolist() == [5, 6]
    assert not np.stack(law[1:]).any()


def test_gaussian_row_does_not_depend_on_when_it_is_looked_at() -> None:
    few = theory.gaussian_row([3, 50], 5000, 1e-3)
    many = theory.gaussian_row(np.linspace(0, 100, 201), 5000, 1e-3)
    for a, b in zip(few, many, strict=True):
        assert a.tolist() == pytest.approx([b[6], b[100]], rel=1e-7)
    assert theory.gaussian_row(3, 5000, 1e-3).survivors.tolist() == pytest.approx([few.survivors[0]], rel=1e-7)


def test_extinct_means_less_than_a_billionth_of_a_weight() -> None:
    """Check that the count falls to just above 1e-9, and that then the count and both norms are 0."""
    m, shrink = 100, 10.0
    t = np.linspace(0, 0.2, 2001)
    law = theory.gaussian_row(t, m, shrink)
    last = law.survivors[law.survivors > 0][-1]
    assert 1e-9 <= last < 2e-9
    assert (law.l1_norm > 0).tolist() == (law.survivors > 0).tolist() == (law.l2_norm > 0).tolist()


# Bad input


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [0, -3, 2.5, NAN, None, "2", True])
@pytest.mark.parametrize("law", [theory.polysemantic_neurons, theory.slots, theory.balls_in_bins])
def test_bad_sizes(law: Callable[..., Any], value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^n={value!r}: must be a whole number ≥ 1$"):
        law(value, 3)
    with pytest.raises(ValueError, match=rf"^m={value!r}: must be a whole number ≥ 1$"):
        law(1, value)


def test_more_features_than_slots() -> None:
    with pytest.raises(ValueError, match=r"^n=7: must be ≤ 2m = 6, the number of \(neuron, sign\) slots$"):
        theory.slots(7, 3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [-1e-9, NAN, INF, None, "1"])
def test_bad_shrink(value: Any) -> None:
    for call in (
        lambda: theory.threshold(0.5, value),
        lambda: theory.l1_norm(1.0, 10, value),
        lambda: theory.survivors(1.0, 10, value),
        lambda: theory.gaussian_row([1.0], 10, value),
    ):
        with pytest.raises(ValueError, match=rf"^shrink={value!r}: must be a finite number ≥ 0$"):
            call()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("value", [0, -1, 1.5, None])
def test_bad_m(value: Any) -> None:
    for law in (theory.l1_norm, theory.survivors, theory.gaussian_row):
        with pytest.raises(ValueError, match=rf"^m={value!r}: must be a whole number ≥ 1$"):
            law([1.0], value, 0.1)


@pytest.mark.parametrize("values", [-1.0, [0.5, -1e-300], [NAN], [1.0, NAN], INF, [1.0, INF], [[1.0, -INF]]])
def test_bad_arrays(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^norm2=.*: must be finite numbers ≥ 0$"):
        theory.threshold(values, 0.1)
    for law in (theory.l1_norm, theory.survivors):
        with pytest.raises(ValueError, match=r"^t=.*: must be finite numbers ≥ 0$"):
            law(values, 10, 0.1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("t", "message"),
    [
        ([1.0, 0.5], r"^t: must increase, but 0.5 follows 1"),
        ([1.0, 1.0], r"^t: must increase, but 1 follows 1"),
        ([-1.0], r"^t=-1.0: must be a finite number ≥ 0"),
        ([NAN], r"^t=nan: must be a finite number ≥ 0"),
        ([INF], r"^t=inf: must be a finite number ≥ 0"),
        ([], r"^t: is empty, must hold at least one time"),
        ("now", r"^t='now': must be an array of real numbers"),
    ],
)
def test_bad_times(t: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        theory.gaussian_row(t, 10, 0.1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("scale", [0, -1, NAN, INF, None])
def test_bad_scale(scale: Any) -> None:
    with pytest.raises(ValueError, match=rf"^scale={scale!r}: must be a finite number > 0$"):
        theory.gaussian_row([1.0], 10, 0.1, scale)


@pytest.mark.parametrize(("n", "m"), [(10, 10**15), (100, 10**15), (1000, 10**10)])
def test_slots_keep_their_digits_in_wide_networks(n: int, m: int) -> None:
    assert float(theory.slots(n, m).mean()) == pytest.approx(n * (n - 1) / (2 * (2 * m - 1)), rel=1e-9)


def test_slots_refuse_what_no_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"^n=1000000000: must be at most 10000000, "):
        theory.slots(10**9, 10**9)
    monkeypatch.setattr(theory, "_MOST_FEATURES", 4)
    assert theory.slots(4, 9).support() == (0, 2)
    with pytest.raises(ValueError, match=r"^n=5: must be at most 4, "):
        theory.slots(5, 9)
