"""Compute the verdict on a claim from the interval of its measurement."""

import math

from poly.press.claims.entries import Claim, Prediction
from poly.press.metadata import Verdict


def verdict(claim: Claim, low: float, high: float) -> Verdict:
    """Compare the interval [low, high] with the claim's prediction.

    Returns:
        confirmed: the interval lies inside prediction ± tolerance. refuted: it lies wholly outside. refined: it is
        refuted, while the registered alternative is confirmed. open: anything else.

    Raises:
        ValueError: the interval is not finite with low ≤ high.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"claim {claim.id}: interval [{low}, {high}] must be finite with low ≤ high")
    if inside(claim.prediction, low, high):
        return "confirmed"
    value, tolerance, _ = claim.prediction
    if value - tolerance <= high and low <= value + tolerance:
        return "open"
    return "refined" if claim.alternative and inside(claim.alternative, low, high) else "refuted"


def inside(prediction: Prediction, low: float, high: float) -> bool:
    """Tell whether the interval [low, high] lies within the tolerance, edges included."""
    return prediction.value - prediction.tolerance <= low and high <= prediction.value + prediction.tolerance
