"""Weights that cross zero."""

import pytest

from poly.flow import signs


@pytest.mark.parametrize(
    ("w", "code", "seen", "sign"),
    [
        (0.3, 1, 0.3, 1),
        (-0.3, -1, -0.3, -1),
        (-0.3, 1, 0.0, 1),  # crossed, and may not: it stops at 0
        (0.3, -1, 0.0, -1),
        (0.0, 1, 0.0, 1),
        (-0.3, 2, -0.3, -1),  # crossed, and may: λ moves it back from the other side
        (0.3, -2, 0.3, 1),
        (0.0, 2, 0.0, -1),
        (0.3, 2, 0.3, 1),
        (0.3, 0, 0.0, 0),  # stays at 0
        (0.0, 0, 0.0, 0),
    ],
)
def test_a_weight_stops_at_zero_or_goes_through(w: float, code: int, seen: float, sign: int) -> None:
    assert signs.clamped(w, code) == seen
    assert signs.penalty_sign(w, code) == sign
