"""Estimates with intervals, thin over scipy. Rows of one instance are not independent: pass one value per instance."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from poly import checks

# Resampled numbers held at once: 80 MB.
_MOST_NUMBERS = 10**7


class Estimate(NamedTuple):
    """A measured value and its interval."""

    measured: float
    low: float
    high: float


def bootstrap(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """A statistic of independent instances with its percentile bootstrap interval.

    Args:
        values: one number per instance, (instances,), at least 2.
        statistic: such as ``np.mean`` or ``np.median``; takes ``axis``.
        generator: source of the resamples.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: fewer than two values, NaN or infinity, no generator, or a confidence outside (0, 1).

    Source: Efron and Tibshirani 1993, section 13.3, by ``scipy.stats.bootstrap``.
    """
    sample = checks.array("values", values)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values: has shape {sample.shape}, must be at least two finite numbers, one per instance")
    _check_confidence(confidence)
    checks.function("statistic", statistic)
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}: must be a numpy.random.Generator")
    batch = max(1, _MOST_NUMBERS // sample.size)
    found = stats.bootstrap(
        (sample,), statistic, confidence_level=confidence, method="percentile", rng=generator, batch=batch
    ).confidence_interval
    estimate = Estimate(float(statistic(sample)), float(found.low), float(found.high))
    if not np.isfinite(estimate).all():
        raise ValueError(
            f"statistic: gives {estimate.measured} on the values or on a resample, must give a finite number"
        )
    return estimate


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


def _check_confidence(confidence: float) -> None:
    if not (isinstance(confidence, int | float) and 0 < confidence < 1):
        raise ValueError(f"confidence={confidence!r}: must be a number between 0 and 1")
