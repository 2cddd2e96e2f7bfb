"""Build the record of a measurement: what a card's output carries for the press, in numbers and words."""

from typing import Any

from poly.press.claims.entries import Claim, fingerprint
from poly.press.claims.verdicts import verdict

Record = dict[str, Any]
# Rounding may hide an interval that is narrower than this share of the tolerance: it is called exact.
_NEGLIGIBLE = 0.01


def record(claim: Claim, measured: float, low: float, high: float, *, seeds: int, interval: str) -> Record:
    """Compare a measurement with its claim. The verdict is on the numbers as given; the record has them rounded.

    Args:
        claim: the registered claim.
        measured: the point estimate.
        low, high: its interval.
        seeds: the number of independent starts; 0 for a computation without randomness.
        interval: what the interval is, in words.

    Raises:
        ValueError: the interval is not finite with low ≤ measured ≤ high.
    """
    if not low <= measured <= high:
        raise ValueError(f"claim {claim.id}: measured {measured} must lie in its interval [{low}, {high}]")
    outcome = verdict(claim, low, high)
    rounded = [_rounded(value, claim.digits) for value in (measured, low, high)]
    wide = interval[:2].isdigit() and high - low > _NEGLIGIBLE * claim.prediction.tolerance
    exact = rounded[1] == rounded[2] and not wide
    return {
        "id": claim.id,
        "statement": claim.statement,
        "chapter": claim.chapter,
        "predicted": claim.prediction.value,
        **dict(zip(("measured", "low", "high"), rounded, strict=True)),
        "verdict": outcome,
        "seeds": seeds,
        "blind": claim.blind,
        "interval": "exact" if exact else interval,
        "entry": fingerprint(claim),
        "amended": claim.amended,
    }


def is_hidden(record: Record) -> bool:
    """Tell whether rounding leaves nothing of an interval: its ends are equal, although it is not exact."""
    return bool(record["low"] == record["high"] and record["interval"][:2].isdigit())


def _rounded(value: float, digits: int) -> float:
    return round(value, digits) + 0.0  # −0 becomes 0
