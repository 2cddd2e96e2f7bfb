"""Results of inference, and the arguments that all of it checks."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from poly import checks


class Estimate(NamedTuple):
    """A measured value and its interval."""

    measured: float
    low: float
    high: float


class Test(NamedTuple):
    """An estimate, and the p-value of a test of it."""

    estimate: Estimate
    p_value: float


def student(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Estimate the mean of independent instances, with Student's interval: ``mean ± t · s / √instances``.

    Here t is a quantile of Student's distribution with instances − 1 degrees of freedom, and s the standard deviation.

    Args:
        values: one number per instance, at least 2.
        confidence: coverage of the interval, between 0 and 1.

    Raises:
        ValueError: another shape, NaN or infinity, or a confidence outside (0, 1).
    """
    sample = checks.array("values", values)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values: has shape {sample.shape}, must be a finite number for each of at least two")
    check_confidence(confidence)
    half = stats.t.ppf((1 + confidence) / 2, len(sample) - 1) * stats.sem(sample)
    return Estimate(float(sample.mean()), float(sample.mean() - half), float(sample.mean() + half))


def check_generator(generator: object) -> np.random.Generator:
    """Return the generator; raise ValueError for anything else."""
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}: must be a numpy.random.Generator")
    return generator


def check_confidence(confidence: float) -> None:
    """Raise ValueError for a confidence that is no number between 0 and 1."""
    checks.probability("confidence", confidence)
