"""Estimates with confidence intervals, and tests, as a thin layer over scipy and statsmodels.

Rows of one instance are not independent: pass one value per instance. Needs no torch.
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

# The most resampled numbers in memory at once: 80 MB.
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

    Plain percentiles are too narrow for few instances: resamples scatter like ``√((n − 1)/n)``, and their tails are
    not Student's. The percentiles are therefore those at which a normal interval is as wide as Student's. This
    changes little from a few dozen instances on. No resample leaves the range of the values. With fewer than eight
    instances the interval therefore covers less than its nominal confidence. A nominal 95 % is about 50 % for two
    instances and 83 % for four.

    Args:
        values: one result per instance, (instances, ...), at least 2 instances. Whole instances are resampled.
        statistic: such as ``np.mean`` or ``np.median``. It takes ``axis``, the axis of the instances, and returns one
            number.
        generator: source of the resamples; alternatively, give ``seed``.
        seed: seed of a new generator, so that equal calls return equal intervals.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: fewer than two instances, NaN or infinity, a statistic that returns no finite number, neither a
            generator nor a seed, or both, or a confidence outside (0, 1).

    Source: Efron and Tibshirani 1993, section 13.3, by ``scipy.stats.bootstrap``; Hesterberg 2015, section 5.3, for the
    expansion.

    Example:
        >>> print(tuple(round(x, 2) for x in inference.bootstrap([1.0, 2.0, 3.0, 4.0], seed=0)))
        (2.5, 1.0, 4.0)
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
    """Estimate a ratio of sums over independent instances, ``Σ aᵢ / Σ bᵢ``, with the interval of ``bootstrap``.

    Args:
        pairs: aᵢ and bᵢ, (instances, 2), at least 2 instances.
        generator: source of the resamples.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: another shape, NaN or infinity, sums of b that are 0, no generator, or a confidence outside (0, 1).

    Source: as ``bootstrap``, with the same numbers. It takes many resamples at a time, which is a hundred times faster.
    """
    sample = checks.array("pairs", pairs)
    if sample.ndim != 2 or sample.shape[1] != 2 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"pairs: has shape {sample.shape}, must be (instances, 2), finite, of at least two instances")
    _check_confidence(confidence)

    def of(rows: Int[NDArray[Any], "*resamples instances"], axis: int = -1) -> Any:
        top, below = np.moveaxis(sample[rows].sum(axis - 1), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # values that are not finite raise below
            return top / below

    batch = max(1, _MOST_NUMBERS // sample.size)
    return _bootstrap(np.arange(len(sample)), of, _generator(generator), confidence, batch=batch)


def _bootstrap(
    data: NDArray[Any], of: Callable[..., Any], generator: np.random.Generator, confidence: float, *, batch: int
) -> Estimate:
    """Compute the statistic ``of`` the data, (instances,), and its expanded percentile interval."""
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
    """Divide the total of all counts by the total expected, with its 95 % percentile bootstrap interval.

    Args:
        counts: for each group, such as a size, the counts of each instance at each point, (instances, points). Points
            of one instance are not independent. Whole instances are resampled, within their group.
        expected: for each group, the mean of one instance at each point, (points,).
        generator: source of the resamples.
        resamples: number of resamples.

    Raises:
        ValueError: groups that do not fit each other, an expected total that is not positive, or no generator.

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
    """Divide the variance by the expected variance, averaged over groups, with its 95 % percentile bootstrap interval.

    Args:
        counts: as for ``ratio_of_totals``, with at least two instances in each group.
        expected: for each group, the variance of one instance at each point, (points,), > 0.
        generator: source of the resamples.
        resamples: number of resamples.

    Raises:
        ValueError: groups that do not fit each other, or no generator.
    """
    groups, variances = _groups(counts, expected)
    if any(len(group) < 2 or (variance <= 0).any() for group, variance in zip(groups, variances, strict=True)):
        raise ValueError("counts, expected: each group must have two instances or more, and variances > 0")
    scaled = [group / np.sqrt(variance) for group, variance in zip(groups, variances, strict=True)]
    # The variance of a resample is too small by (k − 1)/k, because its instances repeat.
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
    """Compute a statistic on resamples of each group."""
    rng, times = _generator(generator), range(checks.count("resamples", resamples))
    return np.array([[statistic(each[rng.integers(len(each), size=len(each))]) for each in groups] for _ in times])


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
    _check_confidence(confidence)
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
    _check_confidence(confidence)
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
    """Compute variance / mean on each side, and its degrees of freedom; a side that is all 0 is ignored."""
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
    """Estimate variance / mean of counts, and compute the two-sided p-value against Poisson, for which it is 1.

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
    _check_confidence(confidence)
    chi2 = stats.chi2(sample.size - 1)
    index = float(sample.var(ddof=1) / sample.mean())
    total = index * (sample.size - 1)
    low, high = (total / float(chi2.ppf((1 + side * confidence) / 2)) for side in (1, -1))
    return Test(Estimate(index, low, high), 2 * float(min(chi2.cdf(total), chi2.sf(total))))


def equivalence(values: ArrayLike, target: float, margin: float, *, confidence: float = 0.9) -> Test:
    """Estimate the mean of independent instances, and test whether it lies outside ``target`` ± ``margin``.

    The p-value is that of the hypothesis that the mean lies outside.

    Args:
        values: one number per instance, (instances,), at least 2, not all equal.
        target: the predicted mean.
        margin: largest distance from the target that counts as equivalent, > 0; chosen before the values are known.
        confidence: coverage of the interval, between 0 and 1. At 0.9, the interval lies inside the margin if p < 0.05.

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
    """Estimate the least-squares slope of y over x with its interval.

    Args:
        x: (points,), at least 3, not all equal.
        y: (points,), scattered independently around the line, for Student's interval. Or (instances, points), at least
            two instances: the mean of their slopes, with its bootstrap interval.
        log: fit log y over log x, whose slope is the exponent of a power law; all values must be > 0.
        generator: source of the resamples if y has instances.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: shapes that do not fit each other, NaN or infinity, a logarithm of a number that is not positive,
            instances without a generator, or a confidence outside (0, 1).

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
    """Adjust the p-values of several tests by Holm's method.

    If those ≤ α are rejected, the probability of any false rejection is at most α.

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
