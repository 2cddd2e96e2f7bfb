"""How many neurons crowds share under gradient flow: the slots law, corrected for the time that a crowd is locked.

Three acts. Rows are pushed apart until no two overlap positively. If there are many, the negative overlaps are used
up, too: the crowd is locked. In the locked race weights die, and pairs with opposite signs on one neuron are
favored or disfavored a little all the time. When too few weights are left to keep all overlaps up, the crowd lets go.

The counts of a crowd are ``slots`` with odds on the pairs, their mean that of the slots law times

    S = exp(L (b ln²κ − a ln κ)),   κ = (n − 1) / √(2πm),   L = ln(m′(t₀) / (n/3)),

both logarithms at least 0, with the two constants a and b. t₀ and n/3, when the crowd locks and where it lets go, are
seen without counting anybody; chapter 6 of the book has the reasons and the tests. Numpy and scipy only.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from poly import checks, theory

Array = NDArray[np.float64]
# Code units: then no positive overlap is left.
LOCKED_AFTER = 2.0
# Weights in a row, over n: with fewer the crowd lets go.
LETS_GO_AT = 1 / 3
_LARGEST_LOG_ODDS = 50.0


class Constants(NamedTuple):
    """The two constants of the law: a, how fast a locked crowd loses pairs, and b, how dense crowds make up for it."""

    a: float
    b: float


def crowding(n: int, m: int) -> float:
    """The total negative overlap of a row with all others at the start, κ.

    ``κ = Σ_{j≠i} E[max(−W_i·W_j, 0)] = (n − 1) / √(2πm)`` for rows of length 1, whose overlaps are N(0, 1/m).
    As ``Σ_ij W_i·W_j = ‖Σ_i W_i‖² ≥ 0``, a row has room for 1 on average once no overlap is positive: with κ > 1 the
    crowd is locked.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.

    Raises:
        ValueError: a size below 1.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    return (n - 1) / float(np.sqrt(2 * np.pi * m))


def locked_race(n: int, m: int, l1: float) -> float:
    """How long the race is while the crowd is locked, L: in e-folds of a row's surviving weights.

    ``L = ln(m′(t₀) / (n/3))``, at least 0, with m′ of a lone row (``theory.gaussian_row``).

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ ≥ 0, in the units of ``model.loss``.

    Raises:
        ValueError: a size below 1, or a negative λ.
    """
    n, l1 = checks.count("n", n), checks.nonnegative("l1", l1)
    left = float(theory.gaussian_row([4 * LOCKED_AFTER], m, l1 / 4).survivors[0])
    return float(np.log(max(left / (LETS_GO_AT * n), 1.0)))


def factor(n: int, m: int, l1: float, constants: Constants) -> float:
    """Mean count over that of the slots law, ``S = exp(L (b ln²κ − a ln κ))``; 1 where a crowd is not locked.

    Args:
        n, m, l1: as in ``locked_race``.
        constants: a and b.

    Raises:
        ValueError: bad sizes, a negative λ, or constants that are not finite.
    """
    a, b = (checks.finite(name, value) for name, value in zip(("a", "b"), constants, strict=True))
    first, second = _terms(n, m, l1)
    return float(np.exp(a * first + b * second))


def counts(n: int, m: int, l1: float, constants: Constants) -> stats.rv_discrete:
    """The law's distribution of the number of polysemantic neurons: ``slots_with_odds`` with the law's mean.

    Args, raises: as ``factor``; and ValueError for more features than slots.
    """
    mean = theory.slots(n, m).mean() * factor(n, m, l1, constants)
    return slots_with_mean(n, m, mean)


def slots_with_odds(n: int, m: int, odds: float) -> stats.rv_discrete:
    """The slots law where every neuron with both signs taken counts ``odds`` times.

    ``P(K = k) ∝ odds^k C(m, k) C(m − k, n − 2k) 2^{n−2k}``; odds 1 give ``theory.slots``.

    Args:
        n: features, 1 ≤ n ≤ 2m.
        m: hidden neurons, ≥ 1.
        odds: > 0.

    Raises:
        ValueError: as ``theory.slots``, or odds that are not positive.
    """
    odds = checks.positive("odds", odds)
    plain = theory.slots(n, m)
    k = np.arange(max(0, n - m), n // 2 + 1)
    with np.errstate(divide="ignore"):
        weight = plain.logpmf(k) + k * np.log(odds)
    pmf = np.exp(weight - special.logsumexp(weight))
    return stats.rv_discrete(name="slots_with_odds", values=(k, pmf / pmf.sum()))


def slots_with_mean(n: int, m: int, mean: float) -> stats.rv_discrete:
    """The slots law with those odds that give it this mean.

    Args:
        n, m: as in ``slots_with_odds``.
        mean: between the smallest and the largest possible count.

    Raises:
        ValueError: as ``slots_with_odds``, or a mean that no odds from e^−50 to e^50 give.
    """
    mean = checks.finite("mean", mean)

    def off(log_odds: float) -> float:
        return float(slots_with_odds(n, m, np.exp(log_odds)).mean()) - mean

    low, high = off(-_LARGEST_LOG_ODDS) + mean, off(_LARGEST_LOG_ODDS) + mean
    if not low < mean < high:
        raise ValueError(f"mean={mean!r}: must be > {low:g} and < {high:g} for n={n}, m={m}")
    return slots_with_odds(n, m, float(np.exp(optimize.brentq(off, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS, xtol=1e-10))))


def fit(sizes: Sequence[tuple[int, int, float]], means: ArrayLike, errors: ArrayLike) -> Constants:
    """The constants that fit measured counts best: weighted least squares of ln S, which is linear in them.

    Args:
        sizes: (n, m, l1) of each measurement, two or more with locked crowds.
        means: mean counts, > 0, (k,).
        errors: their standard errors, > 0, (k,).

    Raises:
        ValueError: fewer than two sizes whose crowds are locked, or numbers that are not positive.
    """
    mean, error = checks.array("means", means), checks.array("errors", errors)
    if not mean.shape == error.shape == (len(sizes),):
        raise ValueError(
            f"means, errors: have shapes {mean.shape} and {error.shape}, must be ({len(sizes)},), as sizes"
        )
    if not ((mean > 0) & (error > 0) & np.isfinite(mean) & np.isfinite(error)).all():
        raise ValueError("means, errors: must be finite numbers > 0")
    terms = np.array([_terms(*size) for size in sizes])
    if np.linalg.matrix_rank(terms) < 2:
        raise ValueError(f"sizes={list(sizes)!r}: must hold two or more sizes with locked crowds, and not all alike")
    log_s = np.log(mean / [theory.slots(n, m).mean() for n, m, _ in sizes])
    weight = (mean / error)[:, None]
    found = np.linalg.lstsq(weight * terms, weight[:, 0] * log_s, rcond=None)[0]
    return Constants(float(found[0]), float(found[1]))


@functools.lru_cache(maxsize=4096)
def _terms(n: int, m: int, l1: float) -> tuple[float, float]:
    """What a and b multiply in ln S; kept, since a fit that is repeated asks for the same ones."""
    length, log_crowding = locked_race(n, m, l1), np.log(max(crowding(n, m), 1.0))
    return -length * log_crowding, length * log_crowding**2
