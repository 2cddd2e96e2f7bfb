"""Closed forms and laws: the predictions of the paper and of this book. Needs no torch.

The row formulas are in theory units, ``ẇ = (1 − ‖w‖²) w − λ`` (see ``model`` for the conversion). Their ``shrink`` is
λ_theory = l1 / 4, and their t is t_theory = 4 · t_code.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, special, stats

from poly import checks

Array = NDArray[np.float64]
# Fewer expected survivors than this count as none; the law stops being meaningful long before.
_EXTINCT = 1e-9
_MOST_FEATURES = 10**7


class RowLaw(NamedTuple):
    """The predicted race inside one row, at times t (k,): surviving weights, ‖w‖₁ and ‖w‖₂, each (k,)."""

    t: Float[Array, " k"]
    survivors: Float[Array, " k"]
    l1_norm: Float[Array, " k"]
    l2_norm: Float[Array, " k"]


def polysemantic_neurons(n: int, m: int) -> float:
    """Compute the paper's expected number of polysemantic neurons (claim C7).

    ``C(n, 2) · (1/m) · (1/2) ≈ n² / 4m``: every pair of features meets on one of m neurons, with opposite signs half of
    the time. The result is ``n² / 4m``.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.

    Raises:
        ValueError: a size below 1.

    Source: section 4 of the paper.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    return n**2 / (4 * m)


def slots(n: int, m: int) -> stats.rv_discrete:
    """Return the slots law: the distribution of the number of neurons with both signs taken.

    n features fill 2m (neuron, sign) slots without repeats.
    ``P(K = k) = C(m, k) C(m − k, n − 2k) 2^{n−2k} / C(2m, n)``, with mean ``n (n − 1) / (2 (2m − 1))``.

    Args:
        n: features, 1 ≤ n ≤ 2m.
        m: hidden neurons, ≥ 1.

    Returns:
        A frozen scipy distribution over 0 … n // 2 with ``mean()``, ``var()``, ``pmf(k)``.

    Raises:
        ValueError: a size below 1, more features than slots, or more than 10⁷ of them.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    if n > 2 * m:
        raise ValueError(f"n={n}: must be ≤ 2m = {2 * m}, the number of (neuron, sign) slots")
    if n > _MOST_FEATURES:
        raise ValueError(f"n={n}: must be at most {_MOST_FEATURES}, the whole distribution is tabulated")
    k = np.arange(max(0, n - m), n // 2 + 1)
    # Ratios of neighbors, P(k + 1)/P(k), keep the digits that differences of large factorials lose.
    ratio = (n - 2 * k[:-1]) * (n - 2 * k[:-1] - 1.0) / (4.0 * (k[:-1] + 1) * (m - n + k[:-1] + 1))
    log_pmf = np.concatenate([[0.0], np.cumsum(np.log(ratio))])
    pmf = np.exp(log_pmf - log_pmf.max())
    return stats.rv_discrete(name="slots", values=(k, pmf / pmf.sum()))


def balls_in_bins(n: int, m: int) -> float:
    """Compute the expected number of neurons with both signs taken if slots may be taken repeatedly.

    ``m (1 − 2 (1 − 1/2m)ⁿ + (1 − 1/m)ⁿ)``: each feature chooses one of 2m slots independently, as the largest weight of
    each row does at initialization.

    Args:
        n: features, ≥ 1.
        m: hidden neurons, ≥ 1.

    Raises:
        ValueError: a size below 1.
    """
    n, m = checks.count("n", n), checks.count("m", m)
    # expm1 and log1p keep the digits that the three near-cancelling terms would lose at large m;
    # m = 1 leaves log1p(−1), the right limit (1 − 1/m)ⁿ = 0.
    one_free = special.expm1(n * np.log1p(-1 / (2 * m)))
    both_free = special.expm1(n * np.log1p(-1 / m)) if m > 1 else -1.0
    return float(m * (both_free - 2 * one_free))


def threshold(norm2: ArrayLike, shrink: float) -> Float[Array, "..."]:
    """Compute the size above which a weight of the row grows, and below which it decreases (claim C4).

    ``θ = λ / (1 − ‖w‖²)``. It is infinite where ``‖w‖² ≥ 1``: there every weight decreases.

    Args:
        norm2: ‖w‖² ≥ 0, any shape.
        shrink: λ in theory units, ≥ 0.

    Returns:
        θ, of the shape of ``norm2``.

    Raises:
        ValueError: a negative or non-finite input.

    Source: section 3.2 of the paper.
    """
    shrink = checks.nonnegative("shrink", shrink)
    norm2 = _nonnegative_array("norm2", norm2)
    room = 1 - norm2
    return np.where(room > 0, shrink / np.where(room > 0, room, 1.0), np.inf)


def l1_norm(t: ArrayLike, m: int, shrink: float) -> Float[Array, "..."]:
    """Compute the paper's law for the norm of a row without interference (claim C5).

    ``‖w‖₁ ≈ 1 / (1/√m + λ t)``

    Args:
        t: times ≥ 0 in theory units, any shape.
        m: weights in the row, ≥ 1.
        shrink: λ in theory units, ≥ 0.

    Returns:
        ‖w‖₁, of the shape of ``t``.

    Raises:
        ValueError: a negative or non-finite time or λ, or m below 1.

    Source: section 3.3 of the paper.
    """
    m, shrink = checks.count("m", m), checks.nonnegative("shrink", shrink)
    return np.asarray(1 / (m**-0.5 + shrink * _nonnegative_array("t", t)))


def survivors(t: ArrayLike, m: int, shrink: float) -> Float[Array, "..."]:
    """Compute the paper's law for the number of nonzero weights in a row (claim C5).

    ``m′ ≈ 1 / (1/√m + λ t)² = ‖w‖₁²``, as if all survivors were equal.

    Args, returns, raises, source: as ``l1_norm``.
    """
    return np.asarray(l1_norm(t, m, shrink) ** 2)


def gaussian_row(t: ArrayLike, m: int, shrink: float, scale: float = 1.0) -> RowLaw:
    """Solve the race inside a row with a Gaussian start and many weights, without a fitted constant (claims C5, C6).

    Every surviving weight is ``A (w_k(0) − u)`` with ``Ȧ = (1 − ‖w‖²) A`` and ``u̇ = λ / A``. Let
    ``M_p(u) = E[(|x| − u)₊ᵖ]`` be the truncated moments of ``x ~ N(0, s²)``, ``s = scale/√m``. Then ``m′ = m M_0(u)``,
    ``‖w‖₁ = A m M_1(u)``, ``‖w‖₂² = A² m M_2(u)``. As u/s grows, the excess over u becomes exponential, and M_2 M_0 → 2
    M_1². Hence ``‖w‖₁ → 1/(λt)`` and ``m′ → 2/(λt)²``.

    Args:
        t: times ≥ 0 in theory units, increasing, (k,).
        m: weights in the row, ≥ 1.
        shrink: λ in theory units, ≥ 0.
        scale: initial standard deviation of a weight in units of 1/√m, > 0.

    Returns:
        RowLaw.

    Raises:
        ValueError: a negative or non-finite input, a λ or a last time that is neither 0 nor between 1e-100 and 1e100,
            or times that do not increase.
    """
    m, shrink, scale = checks.count("m", m), checks.moderate("shrink", shrink), checks.positive("scale", scale)
    times = np.asarray(checks.increasing("t", np.atleast_1d(checks.array("t", t)).tolist()))
    if times.size == 0:
        raise ValueError("t: is empty, must hold at least one time")
    checks.moderate("t", times[-1])
    s = scale / m**0.5

    # z = u/s and a = ln A, because A grows over many decades and ln A grows evenly.
    def field(_: float, state: Array) -> list[float]:
        z, a = state
        return [shrink / s * np.exp(-a), 1 - m * s**2 * np.exp(2 * a) * float(_truncated_moment(2, z))]

    def extinct(_: float, state: Array) -> float:
        return m * float(_truncated_moment(0, state[0])) - _EXTINCT

    extinct.terminal = True  # type: ignore[attr-defined]
    solution = integrate.solve_ivp(
        field, (0, times[-1] or 1.0), np.zeros(2), method="LSODA", t_eval=times, events=extinct, rtol=1e-10, atol=1e-12
    )
    z, a = np.reshape(solution.y, (2, -1))  # scipy returns [] if all weights are 0 before the first time
    A = np.exp(a)
    law = np.zeros((3, len(times)))  # an extinct row stays at 0
    law[:, : len(z)] = (
        m * _truncated_moment(0, z),
        m * s * A * _truncated_moment(1, z),
        np.sqrt(m * _truncated_moment(2, z)) * s * A,
    )
    return RowLaw(times, *law)


def _truncated_moment(p: int, z: ArrayLike) -> Float[Array, "..."]:
    """Compute ``E[(|x| − z)₊ᵖ]`` for x ~ N(0, 1), p = 0, 1, 2, without cancellation in the tail."""
    z = np.asarray(z, dtype=np.float64)
    if p == 0:
        return np.asarray(special.erfc(z / np.sqrt(2)))
    # 2 p! e^{−z²/4} D_{−p−1}(z) / √(2π), with the parabolic cylinder function D (DLMF 12.5.1).
    cylinder = special.pbdv(-p - 1.0, z)[0]
    return np.asarray(2 * special.factorial(p) * np.exp(-(z**2) / 4) / np.sqrt(2 * np.pi) * cylinder)


def _nonnegative_array(name: str, values: ArrayLike) -> Float[Array, "..."]:
    array = checks.array(name, values)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise ValueError(f"{name}={values!r}: must be finite numbers ≥ 0")
    return array
