"""Compute the chance that a verdict is false, and how many false ones to expect."""

import math
from collections.abc import Mapping, Sequence

from scipy import stats

from poly import inference
from poly.press.claims import templates
from poly.press.claims.entries import Claim, Prediction
from poly.press.claims.records import Record

# A verdict is false if the truth lies beyond one end of a 95 % interval.
_ONE_SIDED = 0.025
_Z = stats.norm.ppf(1 - _ONE_SIDED)
_INSIDE = ("confirmed", "agrees", "holds")
_UNDECIDED = ("open", "measured")


def chance(claim: Claim, record: Record) -> float | None:
    """Compute the p-value of a verdict: the chance of such an interval if the truth were on the margin's edge.

    Errors are normal, as wide as the interval's half on the side of the edge. A confirmed claim is tested against the
    nearer edge, as in two one-sided tests. A refuted one is tested against the edge that it lies beyond. The
    chance to lie as far beyond the other edge is added. For a refined one, the greater of two chances counts: that of
    the refuted prediction, and that of the confirmed alternative. A replication that agrees is tested as a confirmed
    claim is, and one that differs as a refuted one.

    Returns:
        The chance; None for a claim that is not decided, for a claim of existence, and for an interval that is not one
        of confidence.
    """
    measured, low, high = record["measured"], record["low"], record["high"]
    undecided = record["verdict"] in _UNDECIDED or claim.prediction.margin == "instance"
    if undecided or not str(record.get("interval", "")).startswith("95 %") or not low < high:
        return None
    if record["verdict"] in _INSIDE:
        return _outside(claim.prediction, record)
    value, tolerance, *_ = claim.prediction
    side = 1 if measured > value else -1
    half = measured - low if side == 1 else high - measured
    z = _distance(side * (measured - value) - tolerance, half)
    p = float(stats.norm.sf(z) + stats.norm.sf(z + _distance(2 * tolerance, half)))
    refined = record["verdict"] == "refined" and claim.alternative
    return max(p, _outside(refined, record)) if refined else p


def errors(ledger: Mapping[str, Claim], found: Sequence[Record]) -> str:
    """Say how many verdicts of these records may be false, and write the table of their chances."""
    decided = [record for record in found if record["verdict"] not in _UNDECIDED]
    tested = [(record, p) for record in decided if (p := chance(ledger[record["id"]], record)) is not None]
    adjusted = list(inference.holm([p for _, p in tested])) if tested else []
    return templates.render(
        "errors.html",
        decided=len(decided),
        tested=len(tested),
        expected=f"{_ONE_SIDED * sum(1 + (record['verdict'] not in _INSIDE) for record, _ in tested):.2g}",
        stand=sum(q <= 2 * _ONE_SIDED for q in adjusted),
        rows=[(record, _p(p), _p(q)) for (record, p), q in zip(tested, adjusted, strict=True)],
    )


def _outside(prediction: Prediction, record: Record) -> float:
    """Compute the chance of an interval this far inside the margin if the truth were on its nearer edge."""
    value, tolerance, *_ = prediction
    measured = record["measured"]
    z = min(
        _distance(measured - value + tolerance, measured - record["low"]),
        _distance(value + tolerance - measured, record["high"] - measured),
    )
    return float(stats.norm.sf(z))


def _distance(gap: float, half: float) -> float:
    """Convert a gap to standard errors, given half of a 95 % interval."""
    return float(gap / half * _Z) if half > 0 else math.inf


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
