"""Compute the verdict on a claim from the interval of its measurement."""

import math

from poly.press.claims.entries import Claim, Kind, Prediction
from poly.press.metadata import Verdict

VERDICTS: dict[Kind, tuple[Verdict, ...]] = {
    "identity": ("holds", "broken", "open"),
    "replication": ("agrees", "differs", "open"),
    "prediction": ("confirmed", "refined", "refuted", "open"),
    "exploration": ("measured",),
}


def verdict(claim: Claim, low: float, high: float) -> Verdict:
    """Compare the interval [low, high] with the claim's prediction.

    Returns:
        confirmed: the interval lies inside prediction ± tolerance. refuted: it lies wholly outside. refined: it is
        refuted, while the registered alternative is confirmed. open: anything else. An identity holds or is broken
        instead, and a replication agrees or differs. A claim of existence is confirmed by one verified instance, which
        the interval counts. An exploration has no verdict: it is measured.

    Raises:
        ValueError: the interval is not finite with low ≤ high.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"claim {claim.id}: interval [{low}, {high}] must be finite with low ≤ high")
    if claim.kind == "exploration":
        return "measured"
    yes, *_, no, _ = VERDICTS[claim.kind]
    if claim.prediction.margin == "instance":
        return yes if low >= 1 else "open"
    if inside(claim.prediction, low, high):
        return yes
    value, tolerance, *_ = claim.prediction
    if value - tolerance <= high and low <= value + tolerance:
        return "open"
    refined = claim.kind == "prediction" and claim.alternative and inside(claim.alternative, low, high)
    return "refined" if refined else no


def inside(prediction: Prediction, low: float, high: float) -> bool:
    """Tell whether the interval [low, high] lies within the tolerance, edges included."""
    return prediction.value - prediction.tolerance <= low and high <= prediction.value + prediction.tolerance
