"""Rules for a weight that reaches zero, compiled.

A code is the sign of a weight. It is doubled if the force on the weight is strong enough to carry it through 0.
"""

from poly.compiled import njit


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
