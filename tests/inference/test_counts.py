import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.rates import confint_poisson_2indep

from inference.draws import covered, rng
from poly import inference


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
@pytest.mark.parametrize(
    ("successes", "trials", "message"),
    [
        (8, 7, r"^successes=8: must be ≤ trials=7$"),
        (-1, 7, r"^successes=-1: must be a whole number ≥ 0$"),
        (0, 0, r"^trials=0: must be a whole number ≥ 1$"),
        (0.5, 7, r"^successes=0.5: must be a whole number ≥ 0$"),
    ],
)
def test_wilson_rejects_bad_counts(successes: Any, trials: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        inference.wilson(successes, trials)


# Garwood 1936, as in the usual tables.


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 3.69), (1, 0.0253, 5.57), (5, 1.62, 11.67), (10, 4.80, 18.39)]
)
def test_poisson_rate_is_garwoods(count: int, low: float, high: float) -> None:
    found = inference.poisson_rate([count])
    assert found.measured == count
    assert found.low == pytest.approx(low, abs=0.005)
    assert found.high == pytest.approx(high, abs=0.005)


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_poisson_rate_inverts_the_two_tails(confidence: float) -> None:
    low, high = inference.poisson_rate([2, 0, 5], 0.5, confidence=confidence)[1:]
    assert stats.poisson.sf(6, low * 1.5) == pytest.approx((1 - confidence) / 2)
    assert stats.poisson.cdf(7, high * 1.5) == pytest.approx((1 - confidence) / 2)


def test_poisson_rate_covers_at_least_at_its_confidence() -> None:
    draws = rng(7).poisson(0.4 * 3, (400, 4))
    share = covered([inference.poisson_rate(row, 3, confidence=0.8) for row in draws], 0.4)
    # The exact coverage at a total of mean 4.8 is 0.896; one standard error is 0.015.
    assert share == pytest.approx(0.896, abs=0.045)


COUNTS = [
    ([3, 0, 2, 4], [7, 5, 4]),
    ([0, 1], [5, 9, 2]),
    ([40, 52, 47], [4, 1, 2, 2]),
    ([1], [1]),
]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning:statsmodels")
@pytest.mark.parametrize(("counts", "other"), COUNTS)
@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_poisson_ratio_is_the_score_interval_of_statsmodels(
    counts: list[int], other: list[int], confidence: float
) -> None:
    found = inference.rate_ratio(counts, other, exposure=2, other_exposure=0.5, family="poisson", confidence=confidence)
    first, second = 2 * len(counts), 0.5 * len(other)
    low, high = confint_poisson_2indep(sum(counts), first, sum(other), second, method="score", alpha=1 - confidence)
    assert found == pytest.approx((sum(counts) / first / sum(other) * second, low, high), rel=1e-6)


def test_poisson_ratio_of_a_published_example() -> None:
    # Gu, Ng, Tang and Schucany 2008: 60 cases in 51477.5 person-years, 30 in 54308.7; the score test gives 0.000316.
    def ratio(p_value: float) -> inference.Estimate:
        return inference.rate_ratio(
            [60], [30], exposure=51477.5, other_exposure=54308.7, family="poisson", confidence=1 - 2 * p_value
        )

    assert ratio(0.000316).measured == pytest.approx(2.11, abs=0.005)
    assert ratio(0.0003155).low < 1 < ratio(0.0003165).low


@pytest.mark.parametrize(("counts", "other"), COUNTS[:3])
def test_quasi_poisson_ratio_is_wilsons_with_counts_over_the_dispersion_of_the_glm(
    counts: list[int], other: list[int]
) -> None:
    found = inference.rate_ratio(counts, other, confidence=0.9)
    side = np.repeat([1.0, 0.0], [len(counts), len(other)])
    fit = sm.GLM(counts + other, sm.add_constant(side), family=sm.families.Poisson()).fit(scale="X2")
    level = 2 * stats.norm.sf(stats.t.isf(0.05, len(counts) + len(other) - 2))
    first, total = sum(counts) / fit.scale, sum(counts + other) / fit.scale
    ends = [p / (1 - p) for p in proportion_confint(first, total, level, "wilson")]
    unit = len(other) / len(counts)
    assert found == pytest.approx((np.exp(fit.params[1]), *(unit * end for end in ends)), rel=1e-6)


def test_ratios_come_close_to_the_intervals_of_generalized_linear_models() -> None:
    counts, other = rng(8).negative_binomial(4, 0.1, 300), rng(9).negative_binomial(4, 0.2, 200)
    y, side = np.concatenate([counts, other]), sm.add_constant(np.repeat([1.0, 0.0], [300, 200]))
    quasi = sm.GLM(y, side, family=sm.families.Poisson()).fit(scale="X2")
    negative = sm.NegativeBinomial(y, side).fit(disp=False)
    for family, fit in (("quasi-poisson", quasi), ("negative binomial", negative)):
        found = inference.rate_ratio(counts, other, family=family)
        assert found[1:] == pytest.approx(np.exp(fit.conf_int()[1]), rel=0.01)


@pytest.mark.parametrize("family", ["poisson", "quasi-poisson", "negative binomial"])
def test_ratio_turns_with_its_sides(family: str) -> None:
    counts, other = [3, 9, 1], [14, 2, 8, 30]
    found = inference.rate_ratio(counts, other, exposure=3, family=family)
    turned = inference.rate_ratio(other, counts, other_exposure=3, family=family)
    assert found == pytest.approx((1 / turned.measured, 1 / turned.high, 1 / turned.low))
    assert found.low < found.measured < found.high


@pytest.mark.parametrize("family", ["poisson", "quasi-poisson", "negative binomial"])
def test_ratio_to_no_counts_is_infinite(family: str) -> None:
    found = inference.rate_ratio([2, 5], [0, 0, 0], family=family)
    assert found.measured == found.high == math.inf
    assert 0 < found.low < math.inf
    turned = inference.rate_ratio([0, 0, 0], [2, 5], family=family)
    assert turned.measured == turned.low == 0
    assert turned.high == pytest.approx(1 / found.low)


def test_no_counts_tell_nothing_of_the_dispersion() -> None:
    # (Σ(x − x̄)²/x̄) / (n − 1) of the other side alone is 9/7; Wilson's upper limit at p = 0 is z²/N, as odds.
    found = inference.rate_ratio([0, 0], [2, 5], confidence=0.9)
    assert found.high == pytest.approx(stats.t.isf(0.05, 1) ** 2 * 9 / 7 / 7)


def test_negative_binomial_is_poisson_where_counts_are_underdispersed() -> None:
    counts, other = rng(1).binomial(10, 0.8, 2000), rng(2).binomial(10, 0.6, 2000)
    found = inference.rate_ratio(counts, other, family="negative binomial")
    poisson = inference.rate_ratio(counts, other, family="poisson")
    quasi = inference.rate_ratio(counts, other)
    assert found == pytest.approx(poisson, rel=1e-4)
    assert quasi.high - quasi.low == pytest.approx((poisson.high - poisson.low) * math.sqrt(0.3), rel=0.03)


def occupied(features: int, neurons: int, generator: np.random.Generator, size: tuple[int, int]) -> Any:
    """Return draws of the number of neurons with at least two features, each feature on a random neuron."""
    homes = generator.integers(neurons, size=(*size, features))
    return ((homes[..., None] == np.arange(neurons)).sum(-2) >= 2).sum(-1)


# For each draw the families that cover at 0.9 (± 3 standard errors), then those that are too wide or too narrow.


@pytest.mark.parametrize(
    ("draw", "right", "wide", "narrow"),
    [
        (lambda g: g.poisson(3, (250, 8)), ["poisson", "quasi-poisson"], [], []),
        (lambda g: g.binomial(20, 0.7, (250, 8)), ["quasi-poisson"], ["poisson", "negative binomial"], []),
        (lambda g: occupied(12, 16, g, (250, 8)), ["quasi-poisson"], ["poisson", "negative binomial"], []),
        (lambda g: g.negative_binomial(2, 0.3, (250, 8)), ["quasi-poisson", "negative binomial"], [], ["poisson"]),
    ],
)
def test_ratios_cover_where_their_family_fits(
    draw: Callable[..., Any], right: list[str], wide: list[str], narrow: list[str]
) -> None:
    pairs = list(zip(draw(rng(10)), draw(rng(11)), strict=True))
    for family in right + wide + narrow:
        share = covered([inference.rate_ratio(*pair, family=family, confidence=0.9) for pair in pairs], 1)
        assert share > 0.96 if family in wide else share < 0.8 if family in narrow else 0.84 < share < 0.96


def test_negative_binomial_ratio_covers_between_unlike_means() -> None:
    pairs = zip(rng(12).negative_binomial(2, 0.5, (250, 8)), rng(13).negative_binomial(2, 1 / 6, (250, 8)), strict=True)
    found = [inference.rate_ratio(*pair, family="negative binomial", confidence=0.9) for pair in pairs]
    assert covered(found, 0.2) == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], r"^counts: has shape \(0,\), must be one whole number per instance$"),
        (3, r"^counts: has shape \(\), must be one whole number per instance$"),
        ([[1, 2]], r"^counts: has shape \(1, 2\), must be one whole number per instance$"),
        ([1, -2], r"^counts: holds -2, must be whole numbers ≥ 0$"),
        ([1, 0.5], r"^counts: holds 0.5, must be whole numbers ≥ 0$"),
        ([1, math.nan], r"^counts: holds nan, must be whole numbers ≥ 0$"),
        ([1, math.inf], r"^counts: holds inf, must be whole numbers ≥ 0$"),
        (["a"], r"^counts=\['a'\]: must be an array of real numbers"),
    ],
)
def test_bad_counts(counts: Any, message: str) -> None:
    for call in (inference.poisson_rate, inference.dispersion, lambda counts: inference.rate_ratio(counts, [1, 2])):
        with pytest.raises(ValueError, match=message):
            call(counts)
    with pytest.raises(ValueError, match=message.replace("counts", "other")):
        inference.rate_ratio([1, 2], counts)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("exposure", [0, -1, math.nan, math.inf, None])
def test_bad_exposure(exposure: Any) -> None:
    message = rf"exposure={exposure!r}: must be a finite number > 0$"
    with pytest.raises(ValueError, match="^" + message):
        inference.poisson_rate([1], exposure)
    with pytest.raises(ValueError, match="^" + message):
        inference.rate_ratio([1], [2, 3], exposure=exposure)
    with pytest.raises(ValueError, match="^other_" + message):
        inference.rate_ratio([1], [2, 3], other_exposure=exposure)


@pytest.mark.parametrize("family", ["quasi-poisson", "negative binomial"])
@pytest.mark.parametrize(("counts", "other"), [([3], [4]), ([3, 3], [4, 4, 4]), ([0, 0], [4]), ([7], [0, 0, 0])])
def test_ratio_without_a_variance_to_estimate(counts: list[int], other: list[int], family: str) -> None:
    with pytest.raises(ValueError, match=rf"^counts: do not vary on either side, must vary for family='{family}'$"):
        inference.rate_ratio(counts, other, family=family)


def test_ratio_of_nothing_or_of_no_family() -> None:
    with pytest.raises(ValueError, match=r"^counts: are all 0, as in other, must hold one above 0 on either side$"):
        inference.rate_ratio([0, 0], [0])
    with pytest.raises(ValueError, match=r"^family='normal': must be one of 'poisson', 'quasi-poisson', 'negative bin"):
        inference.rate_ratio([1, 2], [3], family="normal")


def test_dispersion_of_the_prussian_horse_kicks() -> None:
    # Bortkewitsch 1898: 200 corps-years with 0 to 4 deaths, mean 0.61, variance 0.611.
    estimate, p_value = inference.dispersion(np.repeat(np.arange(5), [109, 65, 22, 3, 1]))
    assert estimate.measured == pytest.approx(0.611 / 0.61, abs=5e-4)
    assert estimate.low < 1 < estimate.high
    assert p_value > 0.9


def test_dispersion_is_the_chi_square_test_of_equal_counts() -> None:
    counts = [3, 11, 4, 8, 2]
    estimate, p_value = inference.dispersion(counts)
    found = stats.chisquare(counts)
    assert estimate.measured == pytest.approx(found.statistic / 4)
    assert p_value == pytest.approx(2 * found.pvalue)


@pytest.mark.parametrize("counts", [[3, 11, 4, 8, 2], [5, 5, 6, 5, 6, 5, 5, 6]])
def test_dispersion_at_one_minus_its_p_value_ends_at_poisson(counts: list[int]) -> None:
    measured, low, high = inference.dispersion(counts, confidence=1 - inference.dispersion(counts).p_value).estimate
    assert (low if measured > 1 else high) == pytest.approx(1)
    assert low < measured < high


@pytest.mark.parametrize(
    ("draw", "truth"), [(lambda g: g.poisson(4, (500, 12)), 1.0), (lambda g: g.binomial(20, 0.7, (500, 12)), 0.3)]
)
def test_dispersion_covers(draw: Callable[..., Any], truth: float) -> None:
    found = [inference.dispersion(row, confidence=0.9) for row in draw(rng(14))]
    assert covered([f.estimate for f in found], truth) == pytest.approx(0.9, abs=0.04)
    rejected = np.mean([f.p_value < 0.1 for f in found])
    assert rejected == pytest.approx(0.1, abs=0.04) if truth == 1 else rejected > 0.5


def test_dispersion_of_equal_counts_is_0() -> None:
    assert inference.dispersion([4] * 9) == ((0, 0, 0), 0)


@pytest.mark.parametrize("counts", [[3], [0, 0, 0]])
def test_dispersion_wants_counts(counts: list[int]) -> None:
    with pytest.raises(ValueError, match=r"^counts: \d with sum \d, must be at least two, and not all 0$"):
        inference.dispersion(counts)
