"""Estimates with intervals, and tests, thin over scipy and statsmodels.

Rows of one instance are not independent: pass one value per instance.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.rates import confint_poisson
from statsmodels.stats.weightstats import DescrStatsW

from poly import checks

# Resampled numbers held at once: 80 MB.
_MOST_NUMBERS = 10**7


class Estimate(NamedTuple):
    """A measured value and its interval."""

    measured: float
    low: float
    high: float


class Test(NamedTuple):
    """An estimate, and the p-value of a test of it."""

    estimate: Estimate
    p_value: float


def bootstrap(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    *,
    generator: np.random.Generator | None = None,
    seed: int | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate a statistic of independent instances, with its expanded percentile bootstrap interval.

    Plain percentiles are too narrow for few instances: resamples scatter like ``√((n − 1)/n)``, and their tails are not
    Student's. So the percentiles are those at which a normal interval would be as wide as Student's is; from a few
    dozen instances on, that changes little. No resample leaves the range of the values, so with less than eight
    instances the interval covers less than it says: nominal 95 % are about 50 % for two, 83 % for four.

    Args:
        values: what each instance gave, (instances, ...), at least 2 instances. Whole instances are resampled.
        statistic: such as ``np.mean`` or ``np.median``; takes ``axis``, the instances', and gives one number.
        generator: source of the resamples; or
        seed: of a new one, so that equal calls give equal intervals.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: fewer than two instances, NaN or infinity, a statistic that gives no finite number, neither a
            generator nor a seed, or both, or a confidence outside (0, 1).

    Source: Efron and Tibshirani 1993, section 13.3, by ``scipy.stats.bootstrap``; Hesterberg 2015, section 5.3, for the
    expansion.
    """
    sample = checks.array("values", values)
    if sample.ndim == 0 or len(sample) < 2 or not sample.size or not np.isfinite(sample).all():
        raise ValueError(f"values: has shape {sample.shape}, must be finite numbers of at least two instances")
    _check_confidence(confidence)
    checks.function("statistic", statistic)
    if seed is not None and generator is not None:
        raise ValueError(f"seed={seed!r}: must be None where there is a generator")
    source = generator if seed is None else np.random.default_rng(checks.count("seed", seed, at_least=0))
    data: NDArray[Any] = sample
    of = statistic
    if sample.ndim > 1:
        data, of = np.arange(len(sample)), lambda rows: statistic(sample[rows], axis=0)
    return _bootstrap(data, of, _generator(source), confidence, batch=max(1, _MOST_NUMBERS // sample.size))


def ratio(pairs: ArrayLike, *, generator: np.random.Generator, confidence: float = 0.95) -> Estimate:
    """A ratio of sums over independent instances, ``Σ aᵢ / Σ bᵢ``, with the interval that ``bootstrap`` gives.

    Args:
        pairs: aᵢ and bᵢ, (instances, 2), at least 2 instances.
        generator: source of the resamples.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: another shape, NaN or infinity, sums of b that are 0, no generator, or a confidence outside (0, 1).

    Source: as ``bootstrap``, and the same numbers; many resamples at a time, which is a hundred times faster.
    """
    sample = checks.array("pairs", pairs)
    if sample.ndim != 2 or sample.shape[1] != 2 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"pairs: has shape {sample.shape}, must be (instances, 2), finite, of at least two instances")
    _check_confidence(confidence)

    def of(rows: Int[NDArray[Any], "*resamples instances"], axis: int = -1) -> Any:
        top, below = np.moveaxis(sample[rows].sum(axis - 1), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite is refused below
            return top / below

    batch = max(1, _MOST_NUMBERS // sample.size)
    return _bootstrap(np.arange(len(sample)), of, _generator(generator), confidence, batch=batch)


def _bootstrap(
    data: NDArray[Any], of: Callable[..., Any], generator: np.random.Generator, confidence: float, *, batch: int
) -> Estimate:
    """The statistic ``of`` the data, (instances,), with its expanded percentile interval."""
    measured = np.asarray(of(data))
    if measured.ndim:
        raise ValueError(f"statistic: gives shape {measured.shape}, must give one number")
    freedom = len(data) - 1
    beyond = stats.norm.sf(stats.t.isf((1 - confidence) / 2, freedom) * np.sqrt(len(data) / freedom))
    found = stats.bootstrap(
        (data,), of, confidence_level=1 - 2 * float(beyond), method="percentile", rng=generator, batch=batch
    ).confidence_interval
    estimate = Estimate(float(measured), float(found.low), float(found.high))
    if not np.isfinite(estimate).all():
        raise ValueError(
            f"statistic: gives {estimate.measured} on the values or on a resample, must give a finite number"
        )
    return estimate


def ratio_of_totals(
    counts: Sequence[ArrayLike], expected: Sequence[ArrayLike], *, generator: np.random.Generator, resamples: int = 2000
) -> Estimate:
    """All counts over all that was expected of them, with its 95 % percentile bootstrap interval.

    Args:
        counts: for each group, such as a size, what each instance gave at each point, (instances, points). Points of
            an instance are not independent: whole instances are resampled, each group within itself.
        expected: for each group, the mean of one instance at each point, (points,).
        generator: source of the resamples.
        resamples: how many.

    Raises:
        ValueError: groups that do not fit, nothing expected, or no generator.

    Source: Efron and Tibshirani 1993, section 8.3.
    """
    groups, means = _groups(counts, expected)
    whole = sum(len(group) * mean.sum() for group, mean in zip(groups, means, strict=True))
    if not whole > 0:
        raise ValueError(f"expected: sums to {whole}, must be > 0")
    totals = _resampled(groups, lambda group: group.sum(), generator, resamples)
    low, high = np.quantile(totals.sum(axis=1) / whole, [0.025, 0.975])
    return Estimate(float(sum(group.sum() for group in groups) / whole), float(low), float(high))


def variance_ratio(
    counts: Sequence[ArrayLike], expected: Sequence[ArrayLike], *, generator: np.random.Generator, resamples: int = 2000
) -> Estimate:
    """The variance over that which was expected, in the mean over groups, with its 95 % percentile bootstrap interval.

    Args:
        counts: as for ``ratio_of_totals``, at least two instances in each group.
        expected: for each group, the variance of one instance at each point, (points,), > 0.
        generator: source of the resamples.
        resamples: how many.

    Raises:
        ValueError: groups that do not fit, or no generator.
    """
    groups, variances = _groups(counts, expected)
    if any(len(group) < 2 or (variance <= 0).any() for group, variance in zip(groups, variances, strict=True)):
        raise ValueError("counts, expected: each group must have two instances or more, and variances > 0")
    scaled = [group / np.sqrt(variance) for group, variance in zip(groups, variances, strict=True)]
    # A resample's variance is too small by (k − 1)/k, as its instances repeat.
    draws = _resampled(
        scaled, lambda group: (group.var(axis=0, ddof=1) * len(group) / (len(group) - 1)).mean(), generator, resamples
    )
    low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
    measured = np.mean([group.var(axis=0, ddof=1).mean() for group in scaled])
    return Estimate(float(measured), float(low), float(high))


def _groups(counts: Sequence[ArrayLike], expected: Sequence[ArrayLike]) -> tuple[list[Any], list[Any]]:
    groups, means = (
        [checks.array(name, each) for each in checks.sequence(name, of)]
        for name, of in (("counts", counts), ("expected", expected))
    )
    if not all(np.isfinite(each).all() for each in (*groups, *means)):
        raise ValueError("counts, expected: hold NaN or infinity, must be finite numbers")
    fit = len(groups) == len(means) > 0 and all(
        group.ndim == 2 and len(group) and mean.shape == group.shape[1:]
        for group, mean in zip(groups, means, strict=True)
    )
    if not fit:
        shapes = [group.shape for group in groups], [mean.shape for mean in means]
        raise ValueError(f"counts, expected: have shapes {shapes}, must be (instances, points) and (points,) by group")
    return groups, means


def _resampled(
    groups: Sequence[Any], statistic: Callable[..., Any], generator: np.random.Generator, resamples: int
) -> Float[NDArray[np.float64], "resamples groups"]:
    """A statistic of resamples of each group."""
    rng, times = _generator(generator), range(checks.count("resamples", resamples))
    return np.array([[statistic(each[rng.integers(len(each), size=len(each))]) for each in groups] for _ in times])


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """A share with its Wilson score interval.

    Args:
        successes: 0 … trials.
        trials: independent trials, ≥ 1.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: counts that do not fit, or a confidence outside (0, 1).

    Source: Wilson 1927, by ``scipy.stats.binomtest``.
    """
    trials, successes = checks.count("trials", trials), checks.count("successes", successes, at_least=0)
    if successes > trials:
        raise ValueError(f"successes={successes}: must be ≤ trials={trials}")
    _check_confidence(confidence)
    found = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(found.low), float(found.high))


def poisson_rate(counts: ArrayLike, exposure: float = 1.0, *, confidence: float = 0.95) -> Estimate:
    """The mean of Poisson counts, per unit of exposure, with its exact interval; too wide for underdispersed counts.

    Args:
        counts: whole numbers ≥ 0, one per instance.
        exposure: of each instance, such as its number of neurons, > 0.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: counts that are none, an exposure that is not positive, or a confidence outside (0, 1).

    Source: Garwood 1936, by ``statsmodels.stats.rates.confint_poisson``.
    """
    sample, exposure = _counts("counts", counts), checks.positive("exposure", exposure)
    _check_confidence(confidence)
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
    """The mean of ``counts`` over that of ``other``, per unit of exposure, with its score interval.

    Numbers of neurons that features share are underdispersed, as counts of occupied cells are. For them the Poisson
    interval is too wide, and so is the negative binomial's, which is never narrower; the quasi-Poisson one fits,
    where both sides are dispersed alike.

    Args:
        counts: whole numbers ≥ 0, one per instance.
        other: those in the denominator. Where all are 0, the ratio and the end of its interval are infinite.
        exposure: of each instance in ``counts``, such as its number of neurons, > 0.
        other_exposure: of each instance in ``other``.
        family: of the variance at mean μ: "poisson", μ; "quasi-poisson", φμ, with φ smaller or greater than 1;
            "negative binomial", μ + αμ², with α ≥ 0. Pearson's χ² estimates φ or α from both sides together.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: counts that are none, that are all 0 or do not vary for φ or α, an exposure that is not positive,
            an unknown family, or a confidence outside (0, 1).

    Source: Ederer and Mantel 1974 with Wilson's limits; McCullagh and Nelder 1989, chapter 9, for φ; Breslow 1984
    for α. By hand, as statsmodels' root finder fails where one side is 0.
    """
    sides = _counts("counts", counts), _counts("other", other)
    unit = checks.positive("other_exposure", other_exposure) / checks.positive("exposure", exposure)
    checks.one_of("family", family, ("poisson", "quasi-poisson", "negative binomial"))
    _check_confidence(confidence)
    total = float(sides[0].sum() + sides[1].sum())
    if not total:
        raise ValueError("counts: are all 0, as in other, must hold one above 0 on either side")
    dispersions, freedom = _dispersions(sides, family)
    # The ends solve (p − r q)² = r spread; for Poisson counts, these are Wilson's limits of the share p, as odds.
    p, q = (float(side.sum()) / total for side in sides)
    spread = stats.t.isf((1 - confidence) / 2, freedom) ** 2 * (p * dispersions[1] + q * dispersions[0]) / total
    top = float(spread + 2 * p * q + np.sqrt(spread * (spread + 4 * p * q)))
    unit *= sides[1].size / sides[0].size
    return Estimate(unit * p / q if q else np.inf, unit * 2 * p**2 / top, unit * top / (2 * q**2) if q else np.inf)


def _dispersions(sides: tuple[Float[NDArray[np.float64], "..."], ...], family: str) -> tuple[list[float], float]:
    """Variance / mean on each side, and the degrees of freedom in it; a side that is all 0 tells nothing."""
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
    """Variance / mean of counts, and the two-sided p-value against Poisson, where it is 1.

    Args:
        counts: whole numbers ≥ 0, one per instance, at least 2 of them; the approximation wants 5 or more.
        confidence: coverage of the interval, between 0 and 1; lower where counts are far more skewed than Poisson.

    Raises:
        ValueError: counts that are none, that are fewer than two or all 0, or a confidence outside (0, 1).

    Source: Fisher's index of dispersion, which follows χ²; Fisher 1925, section 16.
    """
    sample = _counts("counts", counts)
    if sample.size < 2 or not sample.any():
        raise ValueError(f"counts: {sample.size} with sum {sample.sum():g}, must be at least two, and not all 0")
    _check_confidence(confidence)
    chi2 = stats.chi2(sample.size - 1)
    index = float(sample.var(ddof=1) / sample.mean())
    total = index * (sample.size - 1)
    low, high = (total / float(chi2.ppf((1 + side * confidence) / 2)) for side in (1, -1))
    return Test(Estimate(index, low, high), 2 * float(min(chi2.cdf(total), chi2.sf(total))))


def equivalence(values: ArrayLike, target: float, margin: float, *, confidence: float = 0.9) -> Test:
    """The mean of independent instances, and the p-value that it lies outside ``target`` ± ``margin``.

    Args:
        values: one number per instance, (instances,), at least 2, not all equal.
        target: the predicted mean.
        margin: how far from it still counts as equivalent, > 0; chosen before the values are known.
        confidence: coverage of the interval, between 0 and 1. At 0.9, it lies inside the margin where p < 0.05.

    Raises:
        ValueError: values without spread, NaN or infinity, a margin that is not positive, or a confidence outside
            (0, 1).

    Source: Schuirmann 1987, two one-sided t tests, by ``statsmodels.stats.weightstats.DescrStatsW``.
    """
    sample = checks.array("values", values)
    if sample.ndim != 1 or not np.isfinite(sample).all() or np.unique(sample).size < 2:
        raise ValueError(f"values: has shape {sample.shape}, must be finite numbers, one per instance, not all equal")
    target, margin = checks.finite("target", target), checks.positive("margin", margin)
    _check_confidence(confidence)
    found = DescrStatsW(sample)
    low, high = found.tconfint_mean(1 - confidence)
    p_value = found.ttost_mean(target - margin, target + margin)[0]
    return Test(Estimate(float(sample.mean()), float(low), float(high)), float(p_value))


def slope(
    x: ArrayLike,
    y: ArrayLike,
    *,
    log: bool = False,
    generator: np.random.Generator | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The least-squares slope of y over x with its interval.

    Args:
        x: (points,), at least 3, not all equal.
        y: (points,), scattered independently around the line, for Student's interval; or (instances, points), for
            the mean of at least two instances' slopes with its bootstrap interval.
        log: fit log y over log x, whose slope is the exponent of a power law; all must be > 0.
        generator: source of the resamples, where y has instances.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, a logarithm of what is not positive, instances without a
            generator, or a confidence outside (0, 1).

    Source: ``scipy.stats.linregress``.
    """
    along, up = checks.array("x", x), checks.array("y", y)
    if along.ndim != 1 or not np.isfinite(along).all() or along.size < 3 or np.unique(along).size < 2:
        raise ValueError(f"x: has shape {along.shape}, must be at least three finite numbers, not all equal")
    fits = up.shape == along.shape or (up.ndim == 2 and len(up) > 1 and up.shape[1] == along.size)
    if not fits or not np.isfinite(up).all():
        raise ValueError(f"y: has shape {up.shape}, must be finite, ({along.size},) or (instances ≥ 2, {along.size})")
    _check_confidence(confidence)
    if log:
        for name, values in (("x", along), ("y", up)):
            if not (values > 0).all():
                raise ValueError(f"{name}: holds {values.min():g}, must be > 0 for log=True")
        along, up = np.log(along), np.log(up)
    if up.ndim == 2:
        slopes = [stats.linregress(along, row).slope for row in up]
        return bootstrap(slopes, generator=_generator(generator), confidence=confidence)
    line = stats.linregress(along, up)
    half = stats.t.ppf((1 + confidence) / 2, along.size - 2) * line.stderr
    return Estimate(float(line.slope), float(line.slope - half), float(line.slope + half))


def holm(p_values: ArrayLike) -> Float[NDArray[np.float64], " tests"]:
    """The p-values of several tests, adjusted: with those ≤ α rejected, the chance of any error is at most α.

    Raises:
        ValueError: no p-values, or one outside [0, 1].

    Source: Holm 1979, by ``statsmodels.stats.multitest.multipletests``.
    """
    found = checks.array("p_values", p_values)
    if found.ndim != 1 or not found.size or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"p_values: has shape {found.shape}, must be a list of numbers between 0 and 1")
    return np.asarray(multipletests(found, method="holm")[1])


def _counts(name: str, values: ArrayLike) -> Float[NDArray[np.float64], " instances"]:
    counts = checks.array(name, values)
    if counts.ndim != 1 or not counts.size:
        raise ValueError(f"{name}: has shape {counts.shape}, must be one whole number per instance")
    wrong = counts[~(np.isfinite(counts) & (counts >= 0) & (counts == np.floor(counts)))]
    if wrong.size:
        raise ValueError(f"{name}: holds {wrong[0]:g}, must be whole numbers ≥ 0")
    return counts


def _generator(generator: object) -> np.random.Generator:
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}: must be a numpy.random.Generator")
    return generator


def _check_confidence(confidence: float) -> None:
    if not (isinstance(confidence, int | float) and 0 < confidence < 1):
        raise ValueError(f"confidence={confidence!r}: must be a number between 0 and 1")
