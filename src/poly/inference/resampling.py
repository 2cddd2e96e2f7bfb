"""Bootstrap intervals of independent instances: those of scipy, and two that it lacks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from poly import checks
from poly.inference.counts import poisson_rate, wilson
from poly.inference.estimates import Estimate, check_confidence, check_generator

# The most resampled numbers in memory at once: 80 MB.
_MOST_NUMBERS = 10**7
# Resamples of fewer events than these say too little.
_FEW = 5


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
    check_confidence(confidence)
    checks.function("statistic", statistic)
    data: NDArray[Any] = sample
    of = statistic
    if sample.ndim > 1:
        data, of = np.arange(len(sample)), lambda rows: statistic(sample[rows], axis=0)
    return _bootstrap(data, of, _source(generator, seed), confidence, sample)


def ratio(
    pairs: ArrayLike,
    *,
    generator: np.random.Generator | None = None,
    seed: int | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate a ratio of sums over independent instances, ``Σ aᵢ / Σ bᵢ``, with the interval of ``bootstrap``.

    Args:
        pairs: aᵢ and bᵢ, (instances, 2), at least 2 instances.
        generator, seed, confidence: as for ``bootstrap``.

    Raises:
        ValueError: another shape, NaN or infinity, sums of b that are 0, neither a generator nor a seed, or both, or a
            confidence outside (0, 1).

    Source: as ``bootstrap``, with the same numbers. It takes many resamples at a time, which is a hundred times faster.
    """
    sample = checks.array("pairs", pairs)
    if sample.ndim != 2 or sample.shape[1] != 2 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"pairs: has shape {sample.shape}, must be (instances, 2), finite, of at least two instances")
    check_confidence(confidence)

    def of(rows: Int[NDArray[Any], "*resamples instances"], axis: int = -1) -> Any:
        top, below = np.moveaxis(sample[rows].sum(axis - 1), -1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):  # values that are not finite raise below
            return top / below

    return _bootstrap(np.arange(len(sample)), of, _source(generator, seed), confidence, sample)


def ratio_of_counts(pairs: ArrayLike, *, seed: int) -> Estimate:
    """Estimate a ratio of sums as ``ratio`` does, also where there is little to resample.

    Fewer than five events in all have the exact interval of Poisson counts, over the mean of b. If a and b are equal in
    every instance, the ratio is 1, and the lower end is 1 less the largest share of other instances that is likely
    (``wilson``). The interval has 95 %.

    Args:
        pairs: aᵢ and bᵢ, (instances, 2), at least 2 instances.
        seed: of the resamples, ≥ 0.

    Raises:
        ValueError: as ``ratio``.
    """
    sample = checks.array("pairs", pairs)
    if sample.ndim == 2 and sample.shape[1] == 2 and len(sample) > 1 and sample[:, 1].sum() > 0:
        if (sample[:, 0] == sample[:, 1]).all():
            return Estimate(1.0, 1 - wilson(0, len(sample)).high, 1.0)
        events = sample[:, 0]
        if (events == np.floor(events)).all() and events.min() >= 0 and events.sum() < _FEW:
            return poisson_rate(events, float(sample[:, 1].mean()))
    return ratio(sample, seed=seed)


def _source(generator: np.random.Generator | None, seed: int | None) -> np.random.Generator:
    """Return the generator, or a new one with the seed; raise ValueError unless exactly one of them is given."""
    if seed is None:
        return check_generator(generator)
    if generator is not None:
        raise ValueError(f"seed={seed!r}: must be None where there is a generator")
    return np.random.default_rng(checks.count("seed", seed, at_least=0))


def _bootstrap(
    data: NDArray[Any],
    of: Callable[..., Any],
    generator: np.random.Generator,
    confidence: float,
    sample: NDArray[Any],
) -> Estimate:
    """Compute the statistic ``of`` the data, (instances,), and its expanded percentile interval.

    The data are the sample itself, or the numbers of its instances. If all instances are equal, there is nothing to
    resample.
    """
    measured = np.asarray(of(data))
    if measured.ndim:
        raise ValueError(f"statistic: gives shape {measured.shape}, must give one number")
    if (sample == sample[0]).all() and np.isfinite(measured):
        return Estimate(*[float(measured)] * 3)
    freedom, batch = len(data) - 1, max(1, _MOST_NUMBERS // sample.size)
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


def rank_correlation(x: ArrayLike, y: ArrayLike, *, generator: np.random.Generator) -> Estimate:
    """Estimate Spearman's rank correlation of two means over independent instances, with its 95 % bootstrap interval.

    The points are given, and the instances are resampled: the interval says nothing of other points. It is widened to
    hold the estimate, because ranks of resampled means are biased toward 0.

    Args:
        x, y: (instances, points), at least two instances and three points; NaN: an instance has no number.
        generator: source of 2,000 resamples.

    Raises:
        ValueError: shapes that do not fit.
    """
    one, other = checks.array("x", x), checks.array("y", y)
    if one.ndim != 2 or one.shape != other.shape or len(one) < 2 or one.shape[1] < 3:
        raise ValueError(f"x, y: have shapes {one.shape} and {other.shape}, must be equal: instances ≥ 2, points ≥ 3")
    check_generator(generator)
    drawn = [np.arange(len(one)), *generator.integers(len(one), size=(2000, len(one)))]
    found = [stats.spearmanr(np.nanmean(one[k], axis=0), np.nanmean(other[k], axis=0)).statistic for k in drawn]
    low, high = np.quantile(found[1:], [0.025, 0.975])
    return Estimate(float(found[0]), float(min(low, found[0])), float(max(high, found[0])))


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
    rng, times = check_generator(generator), range(checks.count("resamples", resamples))
    return np.array([[statistic(each[rng.integers(len(each), size=len(each))]) for each in groups] for _ in times])
