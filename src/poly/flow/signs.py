"""What happens to a weight that reaches zero, compiled.

A code is the sign of a weight. It is doubled where the force on it is strong enough to take it through 0 and on.
"""

from poly.compiled import njit


@njit(nogil=True)
def clamped(w: float, code: int) -> float:
    """Return the weight as the forces see it: 0 once it has changed its sign and may not."""
    return w if w * code > 0 or abs(code) == 2 else 0.0


@njit(nogil=True)
def penalty_sign(w: float, code: int) -> int:
    """Return the sign of ``d|w|/dw``: that of the code, or the other where a weight that may has changed its sign."""
    sign = 1 if code > 0 else (-1 if code < 0 else 0)
    return -sign if w * sign <= 0 and abs(code) == 2 else sign
