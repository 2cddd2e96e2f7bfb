"""Measure how selective each unit of a layer is for one output or one group of examples.

A unit's gain for a group is the rise of the group's loss when the unit is ablated: its activation is set to its mean.
Gains come by fold, (folds, units, groups): each fold holds the mean over a part of the examples.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from poly import checks
from poly.metrics.gains import parts

Array = NDArray[Any]


class Impurity(NamedTuple):
    """Π, and what it is made of.

    ``value``: Π. ``negative``: the share of negative gains, ``Σ max(−g, 0) / Σ |g|``. ``own``: for each fold the gains
    of all units for the group that each serves most. ``total``: for each fold the sum of all gains. Π is
    ``1 − Σ own / Σ total``.
    """

    value: float
    negative: float
    own: Float[Array, " folds"]
    total: Float[Array, " folds"]


def impurity(gains: ArrayLike) -> Impurity:
    """Compute the share of all gains that goes to other groups than the one that each unit serves most.

    ``Π = 1 − Σ_j g_{j,t*(j)} / Σ_jt g_jt``. The group ``t*(j)`` of unit j is chosen on one half of the folds and the
    sums are taken on the other half; then the halves change roles. Nothing is clipped: with noisy or negative gains Π
    may leave [0, 1]. It does not change if units are rescaled, nor with units that do nothing.

    Args:
        gains: (folds ≥ 2, units, groups), as from ``gains.squared_error_gains``.

    Returns:
        Impurity. Its value is NaN where the gains sum to 0.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    g = _gains(gains, folds=2)
    halves = parts(len(g), 2)
    own = np.empty(len(g))
    for measured, chosen in (halves, halves[::-1]):
        serves = g[chosen].mean(axis=0).argmax(axis=1)
        own[measured] = g[measured][:, np.arange(g.shape[1]), serves].sum(axis=1)
    total, mean = g.sum(axis=(1, 2)), g.mean(axis=0)
    size = np.abs(mean).sum()
    negative = float(np.maximum(-mean, 0).sum() / size) if size else 0.0
    whole = total.sum()
    return Impurity(value=float(1 - own.sum() / whole) if whole else np.nan, negative=negative, own=own, total=total)


def impurity_of_squares(gains: ArrayLike) -> float:
    """Compute Π from the squares of gains, which do not cancel.

    ``1 − Σ_j g²_{j,t*(j)} / Σ_jt g²_jt``. The group of each unit is chosen on one third of the folds. The squares are
    products of the gains on the two other thirds, so that noise adds nothing on average. The thirds change roles.

    Args:
        gains: (folds ≥ 3, units, groups).

    Returns:
        The share, or NaN where the squares sum to 0.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    g = _gains(gains, folds=3)
    thirds = [g[part].mean(axis=0) for part in parts(len(g), 3)]
    own = whole = 0.0
    for k in range(3):
        squares = thirds[k - 1] * thirds[k - 2]
        own += squares[np.arange(g.shape[1]), thirds[k].argmax(axis=1)].sum()
        whole += squares.sum()
    return float(1 - own / whole) if whole else np.nan


def permuted(gains: ArrayLike, *, generator: np.random.Generator) -> Float[Array, "folds units groups"]:
    """Permute the gains of each group over the live units: a null that keeps how gains are spread.

    A unit is live if any of its gains is not 0. Its gains in all folds move together.

    Args:
        gains: (folds, units, groups).
        generator: source of the permutations.

    Raises:
        ValueError: another shape, NaN or infinity, or no generator.
    """
    g = _gains(gains, folds=1)
    if not isinstance(generator, np.random.Generator):
        raise ValueError(f"generator={generator!r}: must be a numpy.random.Generator")
    live = np.flatnonzero((g != 0).any(axis=(0, 2)))
    dealt = g.copy()
    for group in range(g.shape[2]):
        dealt[:, live, group] = g[:, generator.permutation(live), group]
    return dealt


def participation_ratio(gains: ArrayLike) -> Float[Array, " units"]:
    """Compute how many groups each unit serves, ``(Σ_t g_jt)² / Σ_t g_jt²``: 1 for one group, k for k equal ones.

    Args:
        gains: (units, groups).

    Returns:
        (units,); NaN for a unit with a negative gain, for which the ratio is not valid, or without any gain.

    Raises:
        ValueError: another shape, NaN or infinity.
    """
    g = _gains(np.asarray(gains)[None], folds=1)[0]
    squares = np.square(g).sum(axis=1)
    valid = (squares > 0) & (g >= 0).all(axis=1)
    return np.where(valid, np.square(g.sum(axis=1)) / np.where(valid, squares, 1), np.nan)


def class_selectivity(hidden: ArrayLike, labels: Int[Array, " examples"]) -> Float[Array, " units"]:
    """Compute each unit's class-selectivity index, ``(μ_max − μ_rest) / (μ_max + μ_rest)``.

    ``μ_max`` is the largest mean activation of a class, and ``μ_rest`` the mean of those of all other classes.

    Args:
        hidden: activations ≥ 0, (examples, units).
        labels: the class of each example, 0 … classes − 1.

    Returns:
        (units,), from 0 to 1; NaN for a unit that is never active, and for one with a negative activation, for which
        the index is not valid.

    Raises:
        ValueError: shapes that do not fit, labels that are no whole numbers ≥ 0, or a class without an example.

    Source: Leavitt and Morcos 2020; Morcos et al. 2018.
    """
    h = checks.array("hidden", hidden)
    found = np.asarray(labels)
    if h.ndim != 2 or found.shape != h.shape[:1] or found.dtype.kind not in "iu" or not h.size or found.min() < 0:
        raise ValueError(f"labels: have shape {found.shape}, must be whole numbers ≥ 0, one for each of {len(h)} rows")
    sizes = np.bincount(found)
    if len(sizes) < 2 or (sizes == 0).any():
        raise ValueError(f"labels: classes have {sizes.tolist()} examples, must be two classes or more with one each")
    means = np.sort(np.stack([h[found == each].mean(axis=0) for each in range(len(sizes))]), axis=0)
    most, rest = means[-1], means[:-1].mean(axis=0)
    valid = (h >= 0).all(axis=0) & (most > 0)
    return np.where(valid, (most - rest) / np.where(valid, most + rest, 1), np.nan)


def reading_impurity(gains: ArrayLike, clauses: Int[Array, "clauses size"]) -> Impurity:
    """Compute the share of reading gains outside the clause that each unit reads most.

    As ``impurity``, with the sum over a clause's inputs in the place of a group, and the sum over all inputs as the
    whole.

    Args:
        gains: (folds ≥ 2, units, d), as from ``reading_gains``.
        clauses: the inputs of each clause.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity.
    """
    g, members = _gains(gains, folds=2), np.asarray(clauses)
    if members.ndim != 2 or members.dtype.kind not in "iu" or members.min() < 0 or members.max() >= g.shape[2]:
        raise ValueError(f"clauses: have shape {members.shape}, must list inputs below {g.shape[2]}")
    found, inside = impurity(g), impurity(g[:, :, members].sum(axis=3)).own
    whole = found.total.sum()
    return found._replace(value=float(1 - inside.sum() / whole) if whole else np.nan, own=inside)


def _gains(gains: ArrayLike, folds: int) -> Float[Array, "folds units groups"]:
    g = checks.array("gains", gains)
    if g.ndim != 3 or len(g) < folds or not g.size:
        raise ValueError(f"gains: has shape {g.shape}, must be (folds ≥ {folds}, units, groups)")
    if not np.isfinite(g).all():
        raise ValueError("gains: holds NaN or infinity, every entry must be finite")
    return g
