"""Stabilized explicit Runge–Kutta–Chebyshev steps of second order.

An explicit step is stable for ``h ρ ≲ 2``, with the stiffest rate ρ. Let the stability polynomial of s stages be a
shifted Chebyshev polynomial. The step is then stable for ``h ρ ≤ β (s² − 1)``: ten times the stages allow steps a
hundred times as long.

The damping is far above the usual 2/13, which has β = 0.65. Overlaps of rows rest just above 0, where the ReLU has its
kink. The ReLU rectifies the remaining stiff oscillations there, which pushes the rows apart. At a damping of 8 that
error is a quarter, for a third more stages (β = 0.38).

Source: Sommeijer, Shampine and Verwer 1998, "RKC: An explicit solver for parabolic PDEs", section 2.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from poly.compiled import njit

Array = NDArray[np.float64]
# The damping ε of the stability polynomial, which keeps its size below 1 on the stable interval. Our value.
_DAMPING = 8.0
# The smallest of (stable interval) / (s² − 1) over all s.
_REACH = 0.375
MOST_STAGES = 2000


@njit(nogil=True)
def stages(h: float, rate: float) -> int:
    """Return the fewest stages, at least 2, that are stable at step h for decays of ``rate`` per unit of time."""
    return max(2, int(np.ceil(np.sqrt(1 + h * rate / _REACH))))


@njit(nogil=True)
def longest_step(rate: float) -> float:
    """Return the longest step that ``MOST_STAGES`` can make stable."""
    return (MOST_STAGES**2 - 1) * _REACH / rate


@njit(nogil=True)
def coefficients(s: int) -> Float[Array, "4 stages_and_start"]:
    """Compute the coefficients μ, ν, μ̃, γ̃ of the stages of a step, one row each.

    ``Y_j = (1 − μ_j − ν_j) Y_0 + μ_j Y_{j−1} + ν_j Y_{j−2} + h (μ̃_j f(Y_{j−1}) + γ̃_j f(Y_0))``, beginning with
    ``Y_1 = Y_0 + h μ̃_1 f(Y_0)``. The step ends in ``Y_s``.

    Args:
        s: stages, ≥ 2.

    Returns:
        (4, s + 1); unused entries are 0.
    """
    w0 = 1 + _DAMPING / s**2
    T, dT, ddT = np.empty(s + 1), np.empty(s + 1), np.empty(s + 1)
    T[0], T[1], dT[0], dT[1], ddT[0], ddT[1] = 1.0, w0, 0.0, 1.0, 0.0, 0.0
    for j in range(2, s + 1):
        T[j] = 2 * w0 * T[j - 1] - T[j - 2]
        dT[j] = 2 * T[j - 1] + 2 * w0 * dT[j - 1] - dT[j - 2]
        ddT[j] = 4 * dT[j - 1] + 2 * w0 * ddT[j - 1] - ddT[j - 2]
    w1 = dT[s] / ddT[s]
    b = np.empty(s + 1)
    for j in range(2, s + 1):
        b[j] = ddT[j] / dT[j] ** 2
    b[0] = b[1] = b[2]
    found = np.zeros((4, s + 1))
    mu, nu, mu_tilde, gamma_tilde = found
    mu_tilde[1] = b[1] * w1
    for j in range(2, s + 1):
        mu[j] = 2 * b[j] * w0 / b[j - 1]
        nu[j] = -b[j] / b[j - 2]
        mu_tilde[j] = 2 * b[j] * w1 / b[j - 1]
        gamma_tilde[j] = -(1 - b[j - 1] * T[j - 1]) * mu_tilde[j]
    return found


@njit(nogil=True)
def error_of(before: float, after: float, h: float, slope_before: float, slope_after: float) -> float:
    """Estimate the error of one component after a step of length h, from both ends and their slopes."""
    return 0.8 * (before - after) + 0.4 * h * (slope_before + slope_after)


@njit(nogil=True)
def next_step(meant: float, taken: float, error: float) -> float:
    """Choose the next step after one of length ``taken`` with an error of ``error`` times the tolerance.

    The rule is that of third order with a safety factor. ``meant`` is the step that was planned. If a recording time
    cut it short, it stays the next step at least, unless the short step failed.
    """
    if not error < 1e9:  # NaN, too: the step has overflowed
        return 0.2 * taken
    step = float(taken * min(3.0, max(0.2, 0.9 * max(error, 1e-12) ** (-1 / 3))))
    return max(meant, step) if error <= 1 and taken != meant else step
