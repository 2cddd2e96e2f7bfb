"""How a number may differ between runs, and whether two runs of the same networks agree.

``exact``: the same number. ``rounding``: equal within ``tolerance`` times its own size, plus ``absolute``, plus 1e-12
of the largest number of the series. ``statistical``: a mean over networks, each of which rounding may send another
way. Whole numbers and truth values are always exact.

Both runs of a statistical series have the same networks, so their differences network by network are known. Where
rounding alone is behind them, they are as often positive as negative. Student's t over the networks tells whether they
are not: of one number, and of all numbers of a series, each measured in standard errors: of their mean, which finds a
common shift, and of their root mean square, which finds shifts of either sign.
"""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[Any]
Level = Literal["exact", "rounding", "statistical"]
TOLERANCE = 1e-6
# The chance that one number, or one series, is reported where rounding alone is behind its shift.
FALSE_ALARM = 1e-6
# In standard errors, the most that fewer than so many networks explain.
_MOST, _FEW = 15.0, 8
# Smaller shifts, in standard errors, are never reported: of a single number, and over a series.
SINGLE, POOLED = 5.0, 2.0
# Of a series' largest number: what rounding leaves where terms cancel.
_FLOOR = 1e-12
# A whole number is known to ±1/2, so a difference of two has at least this variance.
_WHOLE = 1 / 6


class Rule(NamedTuple):
    """The level of a series, and for ``rounding`` how much it allows.

    ``redrawn``: what it allows, absolutely, where networks of the same figure came out otherwise; 0 where that changes
    nothing. ``shown``: whether a statistical series is plotted by other numbers than the mean over its networks.
    """

    level: Level
    tolerance: float = TOLERANCE
    absolute: float = 0.0
    redrawn: float = 0.0
    shown: bool = False

    def __str__(self) -> str:
        besides = f" ± {self.absolute:g}" if self.absolute else ""
        return {
            "exact": "must be the same (exact)",
            "rounding": f"allowed are ±{self.tolerance:g} of it{besides} (rounding)",
            "statistical": "must be as before but for what rounding does to its networks (statistical)",
        }[self.level]


class Series(NamedTuple):
    """A series of numbers with a rule of its own; a statistical one may be plotted by other numbers than its mean."""

    values: ArrayLike
    rule: Rule
    shown: ArrayLike | None = None


def check(rule: Rule) -> None:
    """Check a rule.

    Raises:
        ValueError: an unknown level, a tolerance outside (0, 1), or an absolute one that is negative.
    """
    if rule.level not in get_args(Level):
        raise ValueError(f"level={rule.level!r}, must be one of {', '.join(get_args(Level))}")
    if not (isinstance(rule.tolerance, int | float) and 0 < rule.tolerance < 1):
        raise ValueError(f"tolerance={rule.tolerance!r}, must be a number > 0 and < 1")
    if not isinstance(rule.shown, bool):
        raise ValueError(f"shown={rule.shown!r}, must be true or false")
    for name in ("absolute", "redrawn"):
        value = getattr(rule, name)
        if not (isinstance(value, int | float) and 0 <= value < np.inf):
            raise ValueError(f"{name}={value!r}, must be a finite number ≥ 0")


def excess(before: Array, after: Array, rule: Rule) -> Array:
    """How far each number lies beyond what an exact or rounding rule allows; 0 where it does not.

    Args:
        before, after: of one shape, (*points,).
        rule: of the run before.
    """
    gaps = np.isnan(before) & np.isnan(after)
    with np.errstate(invalid="ignore"):  # two infinities are not the same number
        off = np.asarray(np.abs(after - before))
    off[off <= band(before, rule)] = 0.0
    return np.where(gaps, 0.0, np.where(np.isnan(off), np.inf, off))


def band(before: Array, rule: Rule) -> Array:
    """How far each number may lie from what it was by an exact or rounding rule; shapes as in ``excess``."""
    if rule.level == "exact":
        return np.zeros(np.shape(before))
    floor = rule.absolute + _FLOOR * np.nanmax(np.abs(before), initial=0.0)
    return np.asarray(rule.tolerance * np.abs(before) + floor)


def mean(networks: Float[Array, "networks ..."]) -> tuple[Array, Array]:
    """The mean over networks and its standard error, each (*points,); NaN where a network has no number."""
    count = np.isfinite(networks).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        center = np.where(count > 0, np.nansum(networks, 0) / count, np.nan)
        spread = np.sqrt(np.nansum((networks - center) ** 2, 0) / (count - 1) / count)
    return center, np.where(count > 1, spread, np.nan)


class Agreement(NamedTuple):
    """What two runs of the same networks have to do with each other.

    ``shift`` and ``allowed``, (*points,): the change of each mean, and the largest that rounding explains. ``pooled``
    and ``pooled_allowed``: the same of the mean over all numbers of the series, in standard errors; ``scatter`` and
    ``scatter_allowed``: of the root mean square.
    """

    shift: Array
    allowed: Array
    pooled: float
    pooled_allowed: float
    scatter: float
    scatter_allowed: float


def agreement(before: Float[Array, "networks ..."], after: Float[Array, "networks ..."]) -> Agreement:
    """Compare two runs of the same networks.

    With differences ``d_ik`` of network i at point k over N networks, mean ``d_k`` and standard error ``s_k``, and the
    standard error ``e_k`` of the mean before: a number is as before if ``|d_k| ≤ max(5 e_k, t s_k)``, a series if the
    mean over k of ``d_k / e_k`` is at most 2, or at most t times its own standard error over the networks, and if their
    root mean square is at most 2, or at most t times that of ``s_k / e_k``. Student's t has N − 1 degrees of freedom,
    and is exceeded with a chance of 1e-6; of few networks it allows at most 15 standard errors, each as large as the
    series has them on average.

    Args:
        before, after: (networks, *points); NaN where a network has no number.

    Raises:
        ValueError: two shapes.
    """
    if before.shape != after.shape:
        raise ValueError(f"networks: had shape {before.shape}, have {after.shape}, must be the same")
    whole = _WHOLE * bool(_are_whole(before) and _are_whole(after))
    old = before.reshape(len(before), -1).astype(float)
    off = after.reshape(len(after), -1) - old
    both = np.isfinite(off).sum(0)
    shift, error = mean(off)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(error**2 + whole / both)
        own = np.sqrt(mean(old)[1] ** 2 + whole / 2 / np.isfinite(old).sum(0))
    floor = _FLOOR * np.nanmax(np.abs(old), initial=0.0) + TOLERANCE * np.abs(mean(old)[0])
    allowed = np.fmax(SINGLE * own, _quantile(both) * error)
    over_all = _pooled(off, own, error, floor)
    # Student's t of few networks excludes nothing. Where the series has a scale, a few times that is enough.
    scale = np.sqrt(np.nanmean(own**2)) if np.isfinite(own).any() else 0.0
    if len(old) < _FEW and scale > np.max(floor, initial=0.0):
        wide = np.fmax(own, scale)
        allowed = np.fmin(allowed, np.fmax(SINGLE * wide, np.fmin(_quantile(both) * error, _MOST * wide)))
        others = [(moved, min(most, _MOST)) for moved, most in _pooled(off, wide, error, floor)]
        over_all = [
            other if abs(one[0]) <= one[1] and abs(other[0]) > other[1] else one
            for one, other in zip(over_all, others, strict=True)
        ]
    allowed = np.where(both > 1, allowed + floor, np.inf)
    points = before.shape[1:]
    return Agreement(shift.reshape(points), allowed.reshape(points), *over_all[0], *over_all[1])


def _pooled(off: Float[Array, "networks points"], own: Array, error: Array, floor: Array) -> list[tuple[float, float]]:
    """The mean and the root mean square of a series' moves in standard errors, each with what rounding explains of it.

    Points at which no network differs from another, before or after, have no scale of their own.
    """
    scaled = (own > floor) & (np.isfinite(off).sum(0) > 1)
    if not scaled.any():
        return [(0.0, POOLED)] * 2
    moves = off[:, scaled] / own[scaled]
    each = np.nanmean(moves, axis=1, where=np.isfinite(moves))
    center, width = mean(each[:, None])
    most = _quantile(np.isfinite(each).sum())
    scatter = np.sqrt(np.mean(mean(moves)[0] ** 2))
    by_rounding = most * np.sqrt(np.mean((error[scaled] / own[scaled]) ** 2))
    return [
        (float(center[0]), max(POOLED, float(most * width[0]))),
        (float(scatter), max(POOLED, float(by_rounding))),
    ]


def _quantile(networks: Array) -> Array:
    """Student's t; infinite where fewer than two networks leave nothing to compare."""
    return np.where(networks > 1, stats.t.isf(FALSE_ALARM / 2, np.maximum(networks - 1, 1)), np.inf)


def _are_whole(values: Array) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite == np.round(finite)).all())
