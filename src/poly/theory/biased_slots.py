"""Predict how many neurons features share under gradient flow; the book calls it the law of pairs and crowds.

Two features alone. Rows that overlap positively rotate until they are orthogonal; other rows do not rotate. Rows at an
obtuse angle have one favorite neuron with opposite signs more often. ``pair_surplus`` computes this effect without a
fitted constant.

Many features. Interference pushes rows apart until no two overlap positively. A row can hold a total negative overlap
of 1. A network whose rows are all at this bound is called locked. While weights reach 0, interference slightly favors
or disfavors pairs with opposite signs on one neuron. This lasts until rows have too few weights left to meet: the
network is released (``release_width``). The counts follow ``slots`` with odds on the pairs. Their mean is that of the
slots law times

    S = (1 + (B − 1)(1 − ρ²)) exp(√L (b ln(1 + κ²) − a ρ²)),

κ is the initial negative overlap, ρ the filled share of the bound, and L the length of the race until release. B is the
surplus of two features alone, and a and b are two fitted constants. ρ(κ) and the release are measured separately from
the counts. Needs no torch.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, optimize, special, stats

from poly import checks, theory

Array = NDArray[np.float64]
# The time in code units after which no positive overlap is left.
LOCKED_AFTER = 2.0
_LARGEST_LOG_ODDS = 50.0


class Constants(NamedTuple):
    """The two fitted constants of the law: a weighs the final negative overlap of rows, b that at the start, κ."""

    a: float
    b: float


# Fitted to networks of 4 to 256 features by gradient flow; accurate to 0.02 and 0.01.
FITTED = Constants(a=0.390, b=0.129)


def kappa(n: int, m: int) -> float:
    """Compute κ, the total negative overlap of a row with all others at the start.

    ``κ = Σ_{j≠i} E[max(−W_i·W_j, 0)] = (n − 1) / √(2πm)`` for rows of length 1, whose overlaps are N(0, 1/m). Since
    ``Σ_ij W_i·W_j = ‖Σ_i W_i‖² ≥ 0``, a row can hold a negative overlap of 1 on average once no overlap is positive.
    With κ > 1 the network is locked.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.

    Raises:
        ValueError: a size below 1.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    return (n - 1) / float(np.sqrt(2 * np.pi * m))


def negative_overlap(n: int, m: int) -> float:
    """Compute the total negative overlap of a row once no overlap is positive, ``ρ = κ / (1 + κ³)^{1/3}``.

    It is the filled share of the bound 1. The formula is a smooth min(κ, 1), measured on networks within a few
    hundredths.

    Args, raises: as ``kappa``.
    """
    k = kappa(n, m)
    return float(k / np.cbrt(1 + k**3))


def release_width(n: int, m: int) -> float:
    """Compute how many weights a row has left when the network is released, ``1.3 √(m + (n/8)²)``.

    Two rows with m′ weights each meet on m′²/m neurons. Below √m they hardly meet, and no overlap constrains them. A
    large network has n(n − 1)/2 overlaps to satisfy with nm′ weights, and is released earlier. The formula is measured
    on networks within a fifth.

    Args, raises: as ``kappa``.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    return 1.3 * float(np.sqrt(m + (n / 8) ** 2))


def locked_duration(n: int, m: int, l1: float) -> float:
    """Compute L, the length of the race until release, in e-folds of a row's surviving weights.

    ``L = ln(m′(t₀) / release_width)``, at least 0, with m′ of a lone row (``theory.gaussian_row``) and t₀ = 2 in code
    units.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.
        l1: λ ≥ 0, in the units of ``model.loss``.

    Raises:
        ValueError: a size below 1, or a λ that is neither 0 nor between 1e-100 and 1e100.
    """
    l1 = checks.moderate("l1", l1)
    end = release_width(n, m)
    left = float(theory.gaussian_row([4 * LOCKED_AFTER], m, l1 / 4 if l1 > 4e-100 else 0.0).survivors[0])
    return float(np.log(max(left / end, 1.0)))


def pair_surplus(m: int) -> float:
    """Compute B, how much more often two features alone share a neuron than the slots law predicts.

    Let S be the overlap of two Gaussian rows. The probability that they have one favorite with opposite signs is ∝
    e^{−cS}. Here c = M², and M is the mean largest of m half-normal sizes. Positive overlaps become 0, so with S ~
    N(0, 1/m)

        B = (1 − 1/2m) E[e^{−c min(S, 0)}] / E[e^{−cS}] = (1 − 1/2m) (e^{−z²/2} / 2 + Φ(z)),   z = c/√m.

    The formula is of first order in S, and accurate to 0.04 for m ≥ 8.

    Args:
        m: hidden neurons, ≥ 1.

    Raises:
        ValueError: m below 1.
    """
    return _pair_surplus(checks.count("m", m))


# Pass checked numbers only: the cache treats 8.0 and 8 + 0j as 8.
@functools.lru_cache(maxsize=4096)
def _pair_surplus(m: int) -> float:
    largest = integrate.quad(lambda x: -np.expm1(m * np.log(special.erf(x / 2**0.5))), 0, np.inf)[0]
    z = largest**2 / m**0.5
    return float((1 - 1 / (2 * m)) * (np.exp(-(z**2) / 2) / 2 + special.ndtr(z)))


def mean_ratio(n: int, m: int, l1: float, constants: Constants = FITTED) -> float:
    """Compute the ratio of the mean count to the mean of the slots law.

    ``S = (1 + (B − 1)(1 − ρ²)) exp(√L (b ln(1 + κ²) − a ρ²))``

    Args:
        n, m, l1: as in ``locked_duration``.
        constants: a and b.

    Raises:
        ValueError: bad sizes, a negative λ, or constants that are not finite.
    """
    pair = checks.sequence("constants", constants)
    if len(pair) != 2:
        raise ValueError(f"constants={constants!r}: must be the pair a, b")
    a, b = (checks.finite(name, value) for name, value in zip(("a", "b"), pair, strict=True))
    alone, first, second = _terms(n, m, l1)
    return alone * float(np.exp(a * first + b * second))


def counts(n: int, m: int, l1: float, constants: Constants = FITTED) -> stats.rv_discrete:
    """Return the law's distribution of the number of polysemantic neurons: ``slots_with_odds`` with the law's mean.

    Args, raises: as ``mean_ratio``; and ValueError for more features than slots.
    """
    mean = theory.slots(n, m).mean() * mean_ratio(n, m, l1, constants)
    return slots_with_mean(n, m, mean)


def slots_with_odds(n: int, m: int, odds: float) -> stats.rv_discrete:
    """Return the slots law in which every neuron with both signs taken has a weight of ``odds``.

    ``P(K = k) ∝ odds^k C(m, k) C(m − k, n − 2k) 2^{n−2k}``; odds of 1 give ``theory.slots``.

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
    """Return the slots law with those odds that give it this mean.

    Args:
        n, m: as in ``slots_with_odds``.
        mean: between the smallest and the largest possible count; where only one is possible, it is that.

    Raises:
        ValueError: as ``slots_with_odds``, or a mean that no odds from e^−50 to e^50 give.
    """
    mean = checks.finite("mean", mean)

    def off(log_odds: float) -> float:
        return float(slots_with_odds(n, m, np.exp(log_odds)).mean()) - mean

    plain = theory.slots(n, m)
    if plain.var() == 0:  # one feature, or all slots taken: no odds change the count
        return plain
    low, high = off(-_LARGEST_LOG_ODDS) + mean, off(_LARGEST_LOG_ODDS) + mean
    if not low < mean < high:
        raise ValueError(f"mean={mean!r}: must be > {low:g} and < {high:g} for n={n}, m={m}")
    return slots_with_odds(n, m, float(np.exp(optimize.brentq(off, -_LARGEST_LOG_ODDS, _LARGEST_LOG_ODDS, xtol=1e-10))))


def fit(sizes: Sequence[tuple[int, int, float]], means: ArrayLike, errors: ArrayLike) -> Constants:
    """Fit the two constants to measured counts, by weighted least squares of ln S, which is linear in them.

    Args:
        sizes: (n, m, l1) of each measurement, two or more of different crowding whose race has a length.
        means: mean counts, > 0, (k,).
        errors: their standard errors, > 0, (k,).

    Raises:
        ValueError: fewer than two such sizes, or numbers that are not positive.
    """
    mean, error = checks.array("means", means), checks.array("errors", errors)
    if not mean.shape == error.shape == (len(sizes),):
        raise ValueError(
            f"means, errors: have shapes {mean.shape} and {error.shape}, must be ({len(sizes)},), as sizes"
        )
    if not ((mean > 0) & (error > 0) & np.isfinite(mean) & np.isfinite(error)).all():
        raise ValueError("means, errors: must be finite numbers > 0")
    alone, *terms = np.array([_terms(*size) for size in sizes]).reshape(-1, 3).T
    if np.linalg.matrix_rank(terms) < 2:
        raise ValueError(f"sizes={list(sizes)!r}: must hold two or more of different crowding, with a race to run")
    log_s = np.log(mean / [theory.slots(n, m).mean() for n, m, _ in sizes] / alone)
    weight = (mean / error)[:, None]
    found = np.linalg.lstsq(weight * np.transpose(terms), weight[:, 0] * log_s, rcond=None)[0]
    return Constants(float(found[0]), float(found[1]))


def _terms(n: int, m: int, l1: float) -> tuple[float, float, float]:
    """Compute the ratio S of the count to slots before the race, and the factors of the constants a and b in ln S."""
    return _known_terms(checks.count("n", n), checks.count("m", m), checks.nonnegative("l1", l1))


@functools.lru_cache(maxsize=4096)
def _known_terms(n: int, m: int, l1: float) -> tuple[float, float, float]:
    """Compute the terms once: a repeated fit needs them again."""
    length, full = np.sqrt(locked_duration(n, m, l1)), negative_overlap(n, m) ** 2
    alone = 1 + (_pair_surplus(m) - 1) * (1 - full)
    return alone, -length * full, length * float(np.log1p(kappa(n, m) ** 2))
