"""Intervals and tests of counts and shares."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from statsmodels.stats.rates import confint_poisson

from poly import checks
from poly.inference.estimates import Estimate, Test, check_confidence


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """Estimate a share with its Wilson score interval.

    Args:
        successes: 0 … trials.
        trials: independent trials, ≥ 1.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: counts that do not fit each other, or a confidence outside (0, 1).

    Source: Wilson 1927, by ``scipy.stats.binomtest``.

    Example:
        >>> print(tuple(round(x, 3) for x in inference.wilson(3, 10)))
        (0.3, 0.108, 0.603)
    """
    trials, successes = checks.count("trials", trials), checks.count("successes", successes, at_least=0)
    if successes > trials:
        raise ValueError(f"successes={successes}: must be ≤ trials={trials}")
    check_confidence(confidence)
    found = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(found.low), float(found.high))


def poisson_rate(counts: ArrayLike, exposure: float = 1.0, *, confidence: float = 0.95) -> Estimate:
    """Estimate the mean of Poisson counts per unit of exposure, with its exact interval.

    The interval is too wide for underdispersed counts.

    Args:
        counts: whole numbers ≥ 0, one per instance.
        exposure: exposure of each instance, such as its number of neurons, > 0.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: counts that are not whole numbers ≥ 0, an exposure that is not positive, or a confidence outside (0,
            1).

    Source: Garwood 1936, by ``statsmodels.stats.rates.confint_poisson``.
    """
    sample, exposure = _counts("counts", counts), checks.positive("exposure", exposure)
    check_confidence(confidence)
    total, exposure = float(sample.sum()), exposure * sample.size
    low, high = confint_poisson(total, exposure, method="exact-c", alpha=1 - confidence)
    return Estimate(total / exposure, float(low), float(high))


def rate_ratio(
    counts: ArrayLike,
    other: ArrayLike,
    *,
    exposure: float = 1.0,
    other_exposure: float = 1.0,
    family: str = "quasi-poisson",
    confidence: float = 0.95,
) -> Estimate:
    """Divide the mean of ``counts`` by the mean of ``other``, per unit of exposure, with its score interval.

    Numbers of neurons that features share are underdispersed, as counts of occupied cells are. The Poisson interval is
    too wide for them. The negative binomial interval is never narrower, so it is too wide, too. The quasi-Poisson
    interval fits if both sides are dispersed alike.

    Args:
        counts: whole numbers ≥ 0, one per instance.
        other: the counts in the denominator. If all are 0, the ratio and the upper end of its interval are infinite.
        exposure: exposure of each instance in ``counts``, such as its number of neurons, > 0.
        other_exposure: exposure of each instance in ``other``.
        family: the variance at mean μ. It is μ for "poisson". It is φμ for "quasi-poisson", with φ below or above 1. It
            is μ + αμ² for "negative binomial", with α ≥ 0. Pearson's χ² estimates φ or α from both sides together.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: counts that are not whole numbers ≥ 0 or are all 0, counts that do not vary where φ or α is
            estimated, an exposure that is not positive, an unknown family, or a confidence outside (0, 1).

    Source: Ederer and Mantel 1974 with Wilson's limits; McCullagh and Nelder 1989, chapter 9, for φ; Breslow 1984 for
    α. The formula is written out here, because statsmodels' root finder fails if one side is 0.
    """
    sides = _counts("counts", counts), _counts("other", other)
    unit = checks.positive("other_exposure", other_exposure) / checks.positive("exposure", exposure)
    checks.one_of("family", family, ("poisson", "quasi-poisson", "negative binomial"))
    check_confidence(confidence)
    total = float(sides[0].sum() + sides[1].sum())
    if not total:
        raise ValueError("counts: are all 0, as in other, must hold one above 0 on either side")
    dispersions, freedom = _dispersions(sides, family)
    # The ends r solve (p − r q)² = r spread. For Poisson counts they are Wilson's limits of the share p, as odds.
    p, q = (float(side.sum()) / total for side in sides)
    spread = stats.t.isf((1 - confidence) / 2, freedom) ** 2 * (p * dispersions[1] + q * dispersions[0]) / total
    top = float(spread + 2 * p * q + np.sqrt(spread * (spread + 4 * p * q)))
    unit *= sides[1].size / sides[0].size
    return Estimate(unit * p / q if q else np.inf, unit * 2 * p**2 / top, unit * top / (2 * q**2) if q else np.inf)


def _dispersions(sides: tuple[Float[NDArray[np.float64], "..."], ...], family: str) -> tuple[list[float], float]:
    """Estimate variance / mean of each side as ``family`` says, and its degrees of freedom; ignore a side of zeros."""
    if family == "poisson":
        return [1.0, 1.0], np.inf
    telling = [side for side in sides if side.any()]
    means = np.array([side.mean() for side in telling])
    squares = np.array([side.size * side.var() for side in telling])
    freedom = float(sum(side.size - 1 for side in telling))
    if not squares.any():
        raise ValueError(f"counts: do not vary on either side, must vary for family={family!r}")

    def pearson(alpha: float) -> float:
        return float((squares / (means + alpha * means**2)).sum()) / freedom

    if family == "quasi-poisson":
        return [pearson(0)] * 2, freedom
    most = 2 * float((squares / means**2).sum()) / freedom
    alpha = optimize.brentq(lambda alpha: pearson(alpha) - 1, 0, most) if pearson(0) > 1 else 0.0
    return [1 + alpha * float(side.mean()) for side in sides], freedom


def dispersion(counts: ArrayLike, *, confidence: float = 0.95) -> Test:
    """Estimate the dispersion, variance / mean, of counts, and test it against 1, its value for Poisson.

    Args:
        counts: whole numbers ≥ 0, one per instance, at least 2 of them. The approximation needs 5 or more.
        confidence: coverage of the interval, between 0 and 1. It is lower if counts are far more skewed than Poisson.

    Raises:
        ValueError: counts that are not whole numbers ≥ 0, fewer than two counts, only zeros, or a confidence outside
            (0, 1).

    Source: Fisher's index of dispersion, which follows χ²; Fisher 1925, section 16.
    """
    sample = _counts("counts", counts)
    if sample.size < 2 or not sample.any():
        raise ValueError(f"counts: {sample.size} with sum {sample.sum():g}, must be at least two, and not all 0")
    check_confidence(confidence)
    chi2 = stats.chi2(sample.size - 1)
    index = float(sample.var(ddof=1) / sample.mean())
    total = index * (sample.size - 1)
    low, high = (total / float(chi2.ppf((1 + side * confidence) / 2)) for side in (1, -1))
    return Test(Estimate(index, low, high), 2 * float(min(chi2.cdf(total), chi2.sf(total))))


def _counts(name: str, values: ArrayLike) -> Float[NDArray[np.float64], " instances"]:
    counts = checks.array(name, values)
    if counts.ndim != 1 or not counts.size:
        raise ValueError(f"{name}: has shape {counts.shape}, must be one whole number per instance")
    wrong = counts[~(np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts)))]
    if wrong.size:
        raise ValueError(f"{name}: holds {wrong[0]:g}, must be whole numbers ≥ 0")
    return counts
