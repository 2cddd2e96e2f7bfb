import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from poly import inference


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval() -> None:
    values = rng(1).normal(3, 2, 400)
    found = inference.bootstrap(values, generator=rng())
    half = 1.96 * values.std(ddof=1) / 20
    assert found.measured == values.mean()
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_bootstrap_covers_at_its_confidence() -> None:
    draws = rng(2).normal(size=(200, 30))
    found = [inference.bootstrap(row, generator=rng(i), confidence=0.8) for i, row in enumerate(draws)]
    covered = sum(e.low <= 0 <= e.high for e in found) / 200
    # 0.8 by construction, a little less at 30 values; one standard error is 0.028.
    assert covered == pytest.approx(0.78, abs=0.09)


@pytest.mark.parametrize("instances", [5, 16])
def test_bootstrap_covers_with_few_instances(instances: int) -> None:
    draws = rng(1).standard_normal((600, instances))
    found = [inference.bootstrap(row, generator=rng(i)) for i, row in enumerate(draws)]
    covered = np.mean([low <= 0 <= high for _, low, high in found])
    assert 0.93 < covered < 0.975  # plain percentiles: 0.86 and 0.93


def test_bootstrap_resamples_from_its_generator_alone() -> None:
    values = rng(1).exponential(size=20)
    first = inference.bootstrap(values, generator=rng(4))
    assert inference.bootstrap(values, generator=rng(4)) == first
    assert inference.bootstrap(values, generator=rng(5)) != first


def test_bootstrap_takes_any_statistic() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    found = inference.bootstrap(values, np.median, generator=rng())
    assert found.measured == 3.0
    assert found.low in values
    assert found.high in values
    assert found.low < 3.0 < found.high


def test_bootstrap_widens_with_confidence() -> None:
    values = rng(3).normal(size=50)
    widths = []
    for confidence in (0.5, 0.9, 0.99):
        found = inference.bootstrap(values, generator=rng(), confidence=confidence)
        widths.append(found.high - found.low)
    assert widths[0] < widths[1] < widths[2]


def test_bootstrap_of_equal_values_is_that_value() -> None:
    assert inference.bootstrap([2.5] * 4, generator=rng()) == (2.5, 2.5, 2.5)


def test_bootstrap_resamples_whole_instances() -> None:
    # The sum of a row is 10 in every instance, and so in every resample that keeps rows together.
    first = rng(6).normal(size=12)
    values = np.column_stack([first, 10 - first])
    assert inference.bootstrap(values, lambda x, axis: x.mean(axis).sum(), generator=rng()) == pytest.approx((10,) * 3)


def test_bootstrap_of_rows_is_the_bootstrap_of_their_statistic() -> None:
    values = rng(6).normal(size=(15, 2, 3))
    found = inference.bootstrap(values, lambda x, axis: x.mean(axis).sum(), generator=rng(3))
    assert found == pytest.approx(inference.bootstrap(values.sum(axis=(1, 2)), generator=rng(3)))


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]], [[1.0], [math.nan]], np.ones((3, 0)), 3.0]
)
def test_bootstrap_rejects_bad_values(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^values: has shape .*, must be finite numbers of at least two instances$"):
        inference.bootstrap(values, generator=rng())


def test_bootstrap_rejects_words() -> None:
    with pytest.raises(ValueError, match=r"^values=\['a', 'b'\]: must be an array of real numbers"):
        inference.bootstrap(["a", "b"], generator=rng())


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 10), (10, 10), (3, 7), (50, 100), (999, 1000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_wilson_is_its_formula(successes: int, trials: int, confidence: float) -> None:
    p, z = successes / trials, float(stats.norm.ppf((1 + confidence) / 2))
    center = (p + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    found = inference.wilson(successes, trials, confidence=confidence)
    assert found.measured == p
    assert found.low == pytest.approx(max(0.0, center - half), abs=1e-12)
    assert found.high == pytest.approx(min(1.0, center + half), abs=1e-12)


def test_wilson_is_at_95_percent_by_default() -> None:
    assert inference.wilson(3, 7) == inference.wilson(3, 7, confidence=0.95)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("confidence", [0, 1, -0.5, 1.5, math.nan, math.inf, None])
def test_bad_confidence(confidence: Any) -> None:
    calls: list[Callable[[], inference.Estimate]] = [
        lambda: inference.bootstrap([1.0, 2.0], generator=rng(), confidence=confidence),
        lambda: inference.wilson(1, 2, confidence=confidence),
        lambda: inference.poisson_rate([1], confidence=confidence),
        lambda: inference.rate_ratio([1, 2], [3], confidence=confidence),
        lambda: inference.dispersion([1, 2], confidence=confidence).estimate,
        lambda: inference.equivalence([1.0, 2.0], 1, 1, confidence=confidence).estimate,
        lambda: inference.slope([1, 2, 3], [1, 2, 4], confidence=confidence),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=rf"^confidence={confidence!r}: must "):
            call()


def test_bootstrap_by_a_seed_is_that_by_its_generator() -> None:
    values = np.arange(9.0)
    by_seed = inference.bootstrap(values, seed=3)
    assert by_seed == inference.bootstrap(values, generator=np.random.default_rng(3))
    assert by_seed == inference.bootstrap(values, seed=3)
    with pytest.raises(ValueError, match=r"^seed=3: must be None where there is a generator$"):
        inference.bootstrap(values, seed=3, generator=rng())
    with pytest.raises(ValueError, match=r"^seed=-1: must be a whole number ≥ 0$"):
        inference.bootstrap(values, seed=-1)


def test_bootstrap_wants_a_generator(unchecked: None) -> None:
    with pytest.raises(ValueError, match=r"^generator=3: must be a numpy\.random\.Generator$"):
        inference.bootstrap([1.0, 2.0], generator=3)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore::scipy.stats.DegenerateDataWarning")
def test_a_statistic_must_be_a_function_and_give_a_number() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^statistic='mean': must be a function$"):
        inference.bootstrap([1.0, 2.0], "mean", generator=rng)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^statistic: gives shape \(2,\), must give one number$"):
        inference.bootstrap([[1.0, 2.0], [3.0, 4.0]], generator=rng)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"^statistic: gives nan on the values or on a resample, must give a finite"),
    ):
        inference.bootstrap([1.0, 2.0], lambda x, axis=None: np.full(np.shape(np.mean(x, axis)), np.nan), generator=rng)


def covered(found: list[inference.Estimate], truth: float) -> float:
    return float(np.mean([e.low <= truth <= e.high for e in found]))


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


def test_slope_of_instances_is_the_bootstrap_of_their_slopes() -> None:
    x = np.array([0.0, 1.0, 2.0])
    y = rng(19).normal(size=(9, 3))
    # Over three evenly spaced points, the middle one has no say.
    expected = inference.bootstrap((y[:, 2] - y[:, 0]) / 2, generator=rng(20), confidence=0.9)
    assert inference.slope(x, y, generator=rng(20), confidence=0.9) == pytest.approx(expected)


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


@pytest.mark.parametrize("p_values", [[], 0.1, [[0.1]], [0.1, math.nan], [-0.1], [1.1], [math.inf]])
def test_holm_rejects_what_are_no_p_values(p_values: Any) -> None:
    with pytest.raises(ValueError, match=r"^p_values: has shape .*, must be a list of numbers between 0 and 1$"):
        inference.holm(p_values)


@pytest.mark.parametrize("pairs", [[[1, 2]], [1, 2], [[1, 2, 3], [1, 2, 3]], [[1, np.nan], [1, 2]]])
def test_a_ratio_needs_pairs(pairs: Any) -> None:
    with pytest.raises(ValueError, match=r"^pairs: has shape .*, must be \(instances, 2\), finite, of at least two"):
        inference.ratio(pairs, generator=np.random.default_rng(0))
