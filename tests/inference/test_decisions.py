import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from inference.draws import covered, rng
from poly import inference


def test_equivalence_of_a_worked_example() -> None:
    # R's package TOSTER, TOSTone: mean 0.54 of 100, standard deviation 1.2, against 0.5 ± 0.3 standard deviations.
    values = stats.zscore(rng(15).normal(size=100), ddof=1) * 1.2 + 0.54
    estimate, p_value = inference.equivalence(values, 0.5, 0.36)
    half = stats.t.ppf(0.95, 99) * 0.12
    assert p_value == pytest.approx(stats.t.cdf((0.04 - 0.36) / 0.12, 99))
    assert p_value == pytest.approx(0.0045, abs=5e-5)
    assert estimate == pytest.approx((0.54, 0.54 - half, 0.54 + half))


@pytest.mark.parametrize("target", [-0.9, 0.0, 0.4, 2.0])
@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.95])
def test_equivalent_where_the_interval_lies_inside_the_margin(target: float, confidence: float) -> None:
    values = rng(16).normal(size=20)
    for margin in np.linspace(0.05, 1.5, 30):
        estimate, p_value = inference.equivalence(values, target, margin, confidence=confidence)
        inside = target - margin < estimate.low and estimate.high < target + margin
        assert inside == (p_value < (1 - confidence) / 2)


def test_equivalence_errs_at_its_level_at_the_margin() -> None:
    draws = rng(17).normal(1.0, 0.5, (1000, 10))
    share = np.mean([inference.equivalence(row, 0.0, 1.0).p_value < 0.05 for row in draws])
    # One standard error is 0.007.
    assert share == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]], 1.0])
def test_equivalence_rejects_bad_values(values: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^values: has shape .*, must be finite numbers, one per instance, not all equ"
    ):
        inference.equivalence(values, 0, 1)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf, None])
def test_equivalence_rejects_bad_margins(margin: Any) -> None:
    with pytest.raises(ValueError, match=rf"^margin={margin!r}: must be a finite number > 0$"):
        inference.equivalence([1.0, 2.0], 0, margin)
    with pytest.raises(ValueError, match=r"^target=nan: must be a finite number$"):
        inference.equivalence([1.0, 2.0], math.nan, 1)


def test_slope_of_an_exact_line() -> None:
    assert inference.slope(range(21), range(1, 22)) == pytest.approx((1, 1, 1))


def test_slope_of_a_reference_data_set() -> None:
    # NIST StRD "Norris": 36 points, certified slope and standard deviation of the slope.
    x = [0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0, 447.5]
    x += [11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3, 229.2]
    x += [669.1, 448.9, 0.5]
    y = [0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3, 448.9]
    y += [10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6, 228.9]
    y += [668.4, 449.2, 0.2]
    slope, deviation = 1.00211681802045, 0.429796848199937e-3
    half = 2.0322445 * deviation  # Student's 97.5 % at 34 degrees of freedom
    assert inference.slope(x, y) == pytest.approx((slope, slope - half, slope + half), rel=1e-8)


def test_slope_of_logarithms_is_an_exponent() -> None:
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    assert inference.slope(x, 5 * x**-1.5, log=True) == pytest.approx((-1.5,) * 3)
    many = np.array([[1.0], [2.0], [7.0]]) * x**0.5
    assert inference.slope(x, many, log=True, generator=rng()) == pytest.approx((0.5,) * 3)


def test_slope_covers_at_its_confidence() -> None:
    x = np.arange(6.0)
    draws = 2 * x + rng(18).normal(size=(500, 6))
    share = covered([inference.slope(x, row, confidence=0.8) for row in draws], 2)
    assert share == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    "x", [[], [1.0, 2.0], [1.0, 1.0, 1.0], [1.0, 2.0, math.nan], [1.0, 2.0, math.inf], [[1.0] * 3], 1.0]
)
def test_slope_rejects_bad_x(x: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: has shape .*, must be at least three finite numbers, not all equal$"):
        inference.slope(x, [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    "y",
    [[], [1.0, 2.0], [1.0, 2.0, math.nan], [1.0, 2.0, -math.inf], [[1.0] * 3], [[1.0]] * 3, [[[1.0] * 3] * 2] * 2, 1.0],
)
def test_slope_rejects_bad_y(y: Any) -> None:
    with pytest.raises(ValueError, match=r"^y: has shape .*, must be finite, \(3,\) or \(instances ≥ 2, 3\)$"):
        inference.slope([1.0, 2.0, 3.0], y)


def test_slope_rejects_other_bad_input() -> None:
    with pytest.raises(ValueError, match=r"^x: holds 0, must be > 0 for log=True$"):
        inference.slope([0, 1, 2], [1, 2, 3], log=True)
    with pytest.raises(ValueError, match=r"^y: holds -2, must be > 0 for log=True$"):
        inference.slope([1, 2, 3], [1, -2, 3], log=True)
    with pytest.raises(ValueError, match=r"^generator=None: must be a numpy\.random\.Generator$"):
        inference.slope([1, 2, 3], [[1, 2, 3], [1, 2, 4]])


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.3], [0.3]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06]),
        ([0.5, 0.9, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]) -> None:
    assert inference.holm(p_values) == pytest.approx(adjusted)


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_holm_rejects_step_by_step(seed: int) -> None:
    p_values = rng(seed).uniform(0, 0.3, size=6)
    adjusted = inference.holm(p_values)
    for level in np.linspace(0.01, 1, 50):
        rejected = set()
        for step, i in enumerate(np.argsort(p_values)):
            if p_values[i] > level / (6 - step):
                break
            rejected.add(int(i))
        assert rejected == set(np.flatnonzero(adjusted <= level).tolist())


@pytest.mark.parametrize("seed", [21, 22, 23])
def test_false_discoveries_are_bounded_by_the_largest_rank(seed: int) -> None:
    p_values = rng(seed).uniform(0, 0.3, size=6)
    adjusted = inference.false_discovery(p_values)
    for level in np.linspace(0.01, 1, 50):
        ordered = np.sort(p_values)
        passing = np.flatnonzero(ordered <= level * np.arange(1, 7) / 6)
        rejected = int(passing[-1]) + 1 if len(passing) else 0
        assert (adjusted <= level).sum() == rejected
    assert inference.false_discovery([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])


@pytest.mark.parametrize("adjust", [inference.holm, inference.false_discovery])
@pytest.mark.parametrize("p_values", [[], 0.1, [[0.1]], [0.1, math.nan], [-0.1], [1.1], [math.inf]])
def test_adjustments_reject_what_are_no_p_values(adjust: Any, p_values: Any) -> None:
    with pytest.raises(ValueError, match=r"^p_values: has shape .*, must be a list of numbers between 0 and 1$"):
        adjust(p_values)


def test_simultaneous_intervals_decide_as_each_of_them_must() -> None:
    inside, wide = inference.Estimate(1.02, 0.95, 1.06), inference.Estimate(0.97, 0.85, 1.09)
    off, far = inference.Estimate(1.3, 1.2, 1.4), inference.Estimate(0.5, 0.3, 0.7)
    assert inference.simultaneous([inside], 1, 0.1) == inside
    assert inference.simultaneous([inside, wide], 1, 0.1) == (0.97, 0.85, 1.09)
    assert inference.simultaneous([inside, wide, off], 1, 0.1) == off
    assert inference.simultaneous([off, far], 1, 0.1) == far


@pytest.mark.parametrize("estimates", [[], [1.0, 0.5, 2.0], [(1.0, 2.0)], [(1.0, math.nan, 2.0)]])
def test_simultaneous_intervals_must_be_estimates(unchecked: None, estimates: Any) -> None:
    with pytest.raises(ValueError, match=r"estimates: .* must be"):
        inference.simultaneous(estimates, 1, 0.1)
