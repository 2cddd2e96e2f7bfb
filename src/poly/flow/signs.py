"""Rules for a weight that reaches zero, compiled.

A code is the sign of a weight. It is doubled if the force on the weight is strong enough to carry it through 0.
"""

import numpy as np

from poly.compiled import njit


@njit(nogil=True)
def code_of(w: float, force: float, l1: float) -> int:
    """Return the code of a weight: its sign, doubled if the force drives it through 0.

    A weight at 0 has the sign of its force if that exceeds λ, else the code 0.
    """
    sign = np.sign(w) if w != 0.0 else (np.sign(force) if abs(force) > l1 else 0.0)
    return int(2 * sign if -force * sign > l1 else sign)


@njit(nogil=True)
def velocity_of(code: int, force: float, l1: float) -> float:
    """Return the velocity of a weight: force minus ℓ1 penalty, or 0 for a weight that stays at 0."""
    return force - l1 * np.sign(code) if code != 0 else 0.0


@njit(nogil=True)
def clamped(w: float, code: int) -> float:
    """Return the weight that the forces are computed with: 0 once it has changed its sign without a doubled code."""
    return w if w * code > 0 or abs(code) == 2 else 0.0


@njit(nogil=True)
def penalty_sign(w: float, code: int) -> int:
    """Return the sign of ``d|w|/dw``.

    It is the sign of the code. It is the opposite once a weight with a doubled code has changed its sign.
    """
    sign = 1 if code > 0 else (-1 if code < 0 else 0)
    return -sign if w * sign <= 0 and abs(code) == 2 else sign
