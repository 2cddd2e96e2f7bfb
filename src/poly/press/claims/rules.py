"""Check every entry of the ledger by the same rules, for the paper's claims and for this book's.

A tolerance follows from the margin that an entry names: a number is compared with its prediction by the same width for
the paper's claims and for this book's.
"""

import math
from collections.abc import Mapping

from poly.press.claims.entries import Claim, Prediction
from poly.press.claims.verdicts import VERDICTS

MARGINS = ("about", "equal", "exponent", "exact", "derived", "instance")
# What a margin allows: a share of the predicted value, or a number.
SHARES = {"about": 0.1, "equal": 0.05}
EXPONENT = 0.1
# The planned half-width of the interval is at most this share of the tolerance, or the test cannot decide.
FINEST = 0.5
# Entries that were registered before this day name no planned precision.
PRECISION_SINCE = "2026-11-29"


def faults(claim: Claim, ledger: Mapping[str, Claim]) -> list[str]:
    """List what the rule forbids in an entry, a line each, with the name of the claim."""
    found = [fault for each in (claim.prediction, claim.alternative) if each for fault in _margin_faults(each)]
    found += _precision_faults(claim)
    if claim.expected not in VERDICTS[claim.kind]:
        found.append(f"expected={claim.expected}, a claim of kind {claim.kind} has {', '.join(VERDICTS[claim.kind])}")
    if claim.blind and claim.with_number:
        found.append("blind and with_number exclude each other: who registers a number has seen it")
    if claim.alternative and claim.alternative.margin == "instance":
        found.append("alternative: a claim of existence has none")
    if claim.succeeds and not (claim.succeeds in ledger and ledger[claim.succeeds].retired):
        found.append(f"succeeds={claim.succeeds}, must be a retired claim")
    return [f"claim {claim.id}: {fault}" for fault in found]


def _margin_faults(prediction: Prediction) -> list[str]:
    value, tolerance, _, margin, why = prediction
    if margin in ("exact", "derived"):
        return [] if why.strip() else [f"margin {margin} needs a reason: why"]
    if margin == "instance":
        return [] if value == 1 else [f"value={value:g}, must be 1: one verified instance decides"]
    due = fixed_tolerance(prediction)
    if due is None or math.isclose(tolerance, due):
        return []
    return [f"tolerance={tolerance:g}, must be {due:g} for the margin {margin}; another one is derived, and says why"]


def fixed_tolerance(prediction: Prediction) -> float | None:
    """Return the tolerance that a fixed margin gives; None for a margin that gives none."""
    if prediction.margin == "exponent":
        return EXPONENT
    share = SHARES.get(prediction.margin)
    return None if share is None else share * abs(prediction.value)


def _precision_faults(claim: Claim) -> list[str]:
    """Check the planned precision of a new entry whose interval has to decide something."""
    decides = claim.kind in ("prediction", "replication") and claim.prediction.margin != "instance"
    if not decides or claim.retired:
        return []
    most = FINEST * claim.prediction.tolerance
    if claim.precision is None:
        new = claim.registered >= PRECISION_SINCE
        return ["precision is missing: the planned half-width of the interval"] if new else []
    if claim.precision > most:
        return [
            f"precision={claim.precision:g}, must be at most {most:g}, half of the tolerance: else it is underpowered"
        ]
    return []
