"""Define how far a number may differ between runs, and test whether two runs of the same networks agree.

``exact``: the number is the same. ``rounding``: it is equal within ``tolerance`` times its own size, plus
``absolute``, plus 1e-12 of the largest number of the series. Numbers below a hundredth of the largest may have a
larger error, ``near_zero``: an optimizer with steps of fixed length moves weights that belong at zero more than all
others. ``statistical``: it is a mean over networks, and rounding may change the outcome of each network. Whole numbers
and truth values are always exact.

Both runs of a statistical series have the same networks, so the difference of each network is known. If rounding alone
causes the differences, they are as often positive as negative. Student's t over the networks tests this for each
number, and for all numbers of a series together. The latter test measures each move in standard errors. The mean of the
moves finds a common shift. Their root mean square finds shifts of either sign.
"""

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import special  # scipy.stats takes a second to load

Array = NDArray[Any]
Level = Literal["exact", "rounding", "statistical"]
TOLERANCE = 1e-6
# The probability that one number, or one series, is reported although rounding alone caused its shift.
FALSE_ALARM = 1e-6
# The largest shift that rounding explains if there are fewer than `_FEW` networks, in standard errors.
_MOST, _FEW = 15.0, 8
# Smaller shifts of a single number, and of a series, are never reported; both in standard errors.
SINGLE, POOLED = 5.0, 2.0
# The rounding error that is left where terms cancel, as a share of a series' largest number.
_FLOOR = 1e-12
# Numbers below this share of a series' largest number are near zero.
_NEAR_ZERO = 0.01
# A whole number is known to ±1/2, so a difference of two has at least this variance.
_WHOLE = 1 / 6


class Rule(NamedTuple):
    """The level of a series, and the errors that ``rounding`` allows.

    Attributes:
        level: the level.
        tolerance: the largest error of a number, relative to its size.
        absolute: the largest additional error.
        redrawn: a larger value of ``absolute`` if networks of the same figure came out differently; 0: no larger.
        shown: whether a statistical series plots other numbers than the mean over its networks.
        near_zero: a larger value of ``absolute`` for numbers below a hundredth of the series' largest; 0: no larger.
    """

    level: Level
    tolerance: float = TOLERANCE
    absolute: float = 0.0
    redrawn: float = 0.0
    shown: bool = False
    near_zero: float = 0.0

    def __str__(self) -> str:
        besides = f" ± {self.absolute:g}" if self.absolute else ""
        besides += f", ± {self.near_zero:g} near zero" if self.near_zero else ""
        return {
            "exact": "must be the same (exact)",
            "rounding": f"allowed are ±{self.tolerance:g} of it{besides} (rounding)",
            "statistical": "must be as before but for what rounding does to its networks (statistical)",
        }[self.level]


class Series(NamedTuple):
    """A series of numbers with a rule of its own; a statistical one may plot numbers other than its mean, ``shown``."""

    values: ArrayLike
    rule: Rule
    shown: ArrayLike | None = None


def check(rule: Rule) -> None:
    """Check that a rule is valid.

    Raises:
        ValueError: the level is unknown, ``tolerance`` is outside (0, 1), or ``shown`` is not a truth value.
            ``absolute``, ``redrawn`` and ``near_zero`` must be finite and not negative.
    """
    if rule.level not in get_args(Level):
        raise ValueError(f"level={rule.level!r:.60}, must be one of {', '.join(get_args(Level))}")
    if not (isinstance(rule.tolerance, int | float) and 0 < rule.tolerance < 1):
        raise ValueError(f"tolerance={rule.tolerance!r}, must be a number > 0 and < 1")
    if not isinstance(rule.shown, bool):
        raise ValueError(f"shown={rule.shown!r}, must be true or false")
    for name in ("absolute", "redrawn", "near_zero"):
        value = getattr(rule, name)
        if not (isinstance(value, int | float) and 0 <= value < np.inf):
            raise ValueError(f"{name}={value!r}, must be a finite number ≥ 0")


def excess(before: Array, after: Array, rule: Rule) -> Array:
    """Compute the move of each number that moved by more than an exact or rounding rule allows; 0 for all others.

    Args:
        before, after: the numbers of two runs, both (*points,).
        rule: the rule of the run before.
    """
    gaps = np.isnan(before) & np.isnan(after)
    with np.errstate(invalid="ignore"):  # two infinities do not count as equal
        off = np.asarray(np.abs(after - before))
    off[off <= band(before, rule)] = 0.0
    return np.where(gaps, 0.0, np.where(np.isnan(off), np.inf, off))


def band(before: Array, rule: Rule) -> Array:
    """Compute how far an exact or rounding rule lets each number move; shapes as in ``excess``."""
    if rule.level == "exact":
        return np.zeros(np.shape(before))
    size = np.abs(before)
    largest = np.nanmax(size, initial=0.0)
    small = size < _NEAR_ZERO * largest
    absolute = np.where(small, max(rule.absolute, rule.near_zero), rule.absolute)
    return np.asarray(rule.tolerance * size + absolute + _FLOOR * largest)


def mean(networks: Float[Array, "networks ..."]) -> tuple[Array, Array]:
    """Compute the mean over networks and its standard error, each (*points,).

    Networks without a number (NaN) are left out. A mean of no number, and an error of fewer than two, are NaN.
    """
    count = np.isfinite(networks).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        center = np.where(count > 0, np.nansum(networks, 0) / count, np.nan)
        spread = np.sqrt(np.nansum((networks - center) ** 2, 0) / (count - 1) / count)
    return center, np.where(count > 1, spread, np.nan)


class Agreement(NamedTuple):
    """The agreement of two runs of the same networks.

    Attributes:
        shift: the change of each mean, (*points,).
        allowed: the largest change of each mean that rounding explains, (*points,).
        pooled: the mean of the changes over all numbers of the series, in standard errors.
        pooled_allowed: the largest such mean that rounding explains.
        scatter: the root mean square of the changes over all numbers of the series, in standard errors.
        scatter_allowed: the largest such root mean square that rounding explains.
    """

    shift: Array
    allowed: Array
    pooled: float
    pooled_allowed: float
    scatter: float
    scatter_allowed: float


def agreement(before: Float[Array, "networks ..."], after: Float[Array, "networks ..."]) -> Agreement:
    """Compare two runs of the same networks.

    The difference of network i at point k is ``d_ik``. Over N networks it has the mean ``d_k`` and the standard error
    ``s_k``. The mean before has the standard error ``e_k``. A number is as before if ``|d_k| ≤ max(5 e_k, t s_k)``.
    A series is as before if both of these hold:

    - The mean over k of ``d_k / e_k`` is at most 2, or t times its own standard error over the networks.
    - The root mean square of ``d_k / e_k`` is at most 2, or t times that of ``s_k / e_k``.

    The factor t is from Student's distribution with N − 1 degrees of freedom, and is exceeded with probability 1e-6.
    Fewer than 8 networks allow at most 15 standard errors, if the series has a scale. Each of these is then at least
    their root mean square over the series.

    Args:
        before, after: (networks, *points); NaN: a network has no number.

    Raises:
        ValueError: the shapes differ.
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
    # Student's t of few networks excludes nothing. If the series has a scale, a multiple of it is the limit.
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
    """Compute the mean and the root mean square of a series' moves in standard errors, each with its limit.

    The limit is the most that rounding explains. Points at which networks do not differ have no scale of their own, and
    are left out.
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
    """Compute the limit of Student's t; infinity for fewer than two networks, which leave nothing to compare."""
    return np.where(networks > 1, -special.stdtrit(np.maximum(networks - 1, 1), FALSE_ALARM / 2), np.inf)


def _are_whole(values: Array) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite == np.round(finite)).all())
