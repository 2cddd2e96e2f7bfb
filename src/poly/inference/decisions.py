"""Slopes, tests of equivalence, and decisions over several tests."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from poly import checks
from poly.inference.estimates import Estimate, Test, check_confidence, check_generator
from poly.inference.resampling import bootstrap


def equivalence(values: ArrayLike, target: float, margin: float, *, confidence: float = 0.9) -> Test:
    """Estimate the mean of independent instances, and test whether it lies within ``target`` ± ``margin``.

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
    check_confidence(confidence)
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
    check_confidence(confidence)
    if log:
        for name, values in (("x", along), ("y", up)):
            if not (values > 0).all():
                raise ValueError(f"{name}: holds {values.min():g}, must be > 0 for log=True")
        along, up = np.log(along), np.log(up)
    if up.ndim == 2:
        slopes = [stats.linregress(along, row).slope for row in up]
        return bootstrap(slopes, generator=check_generator(generator), confidence=confidence)
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
    return np.asarray(multipletests(_p_values(p_values), method="holm")[1])


def false_discovery(p_values: ArrayLike) -> Float[NDArray[np.float64], " tests"]:
    """Adjust the p-values of several tests by the method of Benjamini and Hochberg.

    If those ≤ α are rejected, the expected share of false ones among the rejections is at most α, for tests that are
    independent or positively related.

    Raises:
        ValueError: no p-values, or one outside [0, 1].

    Source: Benjamini and Hochberg 1995, by ``statsmodels.stats.multitest.multipletests``.
    """
    return np.asarray(multipletests(_p_values(p_values), method="fdr_bh")[1])


def _p_values(p_values: ArrayLike) -> Float[NDArray[np.float64], " tests"]:
    found = checks.array("p_values", p_values)
    if found.ndim != 1 or not found.size or not ((found >= 0) & (found <= 1)).all():
        raise ValueError(f"p_values: has shape {found.shape}, must be a list of numbers between 0 and 1")
    return found


def simultaneous(estimates: Sequence[Estimate], target: float, margin: float) -> Estimate:
    """Combine estimates that must all agree with ``target`` ± ``margin`` into one that decides.

    If an interval lies wholly outside the margin, the result is the estimate that is farthest from the target among
    those. Otherwise it is the value that is farthest from the target, with an interval that covers all intervals: it
    lies inside the margin exactly if each of them does.

    Args:
        estimates: at least one. Give k intervals the confidence 1 − α/k each, so that all hold together with 1 − α.
        target: the predicted value of all.
        margin: largest distance from the target that agrees, > 0.

    Raises:
        ValueError: no estimates, NaN or infinity, or a margin that is not positive.

    Source: Bonferroni's inequality.
    """
    found = checks.array("estimates", estimates)
    if found.ndim != 2 or found.shape[1] != 3 or not np.isfinite(found).all():
        raise ValueError(
            f"estimates: has shape {found.shape}, must be finite numbers measured, low, high, one row each"
        )
    target, margin = checks.finite("target", target), checks.positive("margin", margin)
    _, low, high = found.T
    outside = found[(low > target + margin) | (high < target - margin)]
    some = outside if len(outside) else found
    measured, least, most = some[np.abs(some[:, 0] - target).argmax()]
    if not len(outside):
        least, most = low.min(), high.max()
    return Estimate(float(measured), float(least), float(most))
