"""Compute the p-values of verdicts, and how many false verdicts to expect."""

import math
import re
from collections.abc import Mapping, Sequence

from scipy import stats

from poly import inference
from poly.press.claims import templates
from poly.press.claims.entries import Claim, Prediction
from poly.press.claims.records import Record

# Of a family of tests, at most this share of rejections may be false (Benjamini and Hochberg), or this is the
# probability of any (Holm).
LEVEL = 0.05
_INSIDE = ("confirmed", "agrees", "holds")
UNDECIDED = ("open", "measured")


def p_value(claim: Claim, record: Record) -> float | None:
    """Compute the p-value of a verdict: the probability of such an interval if the truth were on the margin's edge.

    Errors are normal, as wide as the interval's half on the side of the edge. A confirmed claim is tested against the
    nearer edge, as in two one-sided tests. A refuted one is tested against the edge that it lies beyond. The
    probability to lie as far beyond the other edge is added. For a refined one, the greater of two p-values counts:
    that of the refuted prediction, and that of the confirmed alternative. A replication that agrees is tested as a
    confirmed claim is, and one that differs as a refuted one.

    Returns:
        The p-value; None for a claim that is not decided, for a claim of existence, and for an interval that is not one
        of confidence.
    """
    measured, low, high = record["measured"], record["low"], record["high"]
    undecided = record["verdict"] in UNDECIDED or claim.prediction.margin == "instance"
    if undecided or not (outside := _outside_share(record)) or not low < high:
        return None
    per_half = float(stats.norm.ppf(1 - outside))
    if record["verdict"] in _INSIDE:
        return _outside(claim.prediction, record, per_half)
    value, tolerance, *_ = claim.prediction
    side = 1 if measured > value else -1
    half = measured - low if side == 1 else high - measured
    z = _distance(side * (measured - value) - tolerance, half, per_half)
    p = float(stats.norm.sf(z) + stats.norm.sf(z + _distance(2 * tolerance, half, per_half)))
    refined = record["verdict"] == "refined" and claim.alternative
    return max(p, _outside(refined, record, per_half)) if refined else p


def errors(ledger: Mapping[str, Claim], found: Sequence[Record]) -> str:
    """Say how many verdicts of these records may be false, and write the table of their p-values."""
    decided = [record for record in found if record["verdict"] not in UNDECIDED]
    tested = [(record, p) for record in decided if (p := p_value(ledger[record["id"]], record)) is not None]
    adjusted = list(inference.holm([p for _, p in tested])) if tested else []
    expected = sum(_outside_share(record) * (1 + (record["verdict"] not in _INSIDE)) for record, _ in tested)
    return templates.render(
        "errors.html",
        decided=len(decided),
        tested=len(tested),
        expected=f"{expected:.2g}",
        stand=sum(q <= LEVEL for q in adjusted),
        rows=[(record, in_words(p), in_words(q)) for (record, p), q in zip(tested, adjusted, strict=True)],
    )


def _outside_share(record: Record) -> float:
    """Return the share that lies beyond each end of an interval of confidence; 0 for another kind of interval."""
    level = re.match(r"(\d+(?:\.\d+)?) %", str(record.get("interval", "")))
    return (100 - float(level[1])) / 200 if level else 0.0


def _outside(prediction: Prediction, record: Record, per_half: float) -> float:
    """Compute the probability of an interval this far inside the margin if the truth were on its nearer edge."""
    value, tolerance, *_ = prediction
    measured = record["measured"]
    z = min(
        _distance(measured - value + tolerance, measured - record["low"], per_half),
        _distance(value + tolerance - measured, record["high"] - measured, per_half),
    )
    return float(stats.norm.sf(z))


def _distance(gap: float, half: float, per_half: float) -> float:
    """Convert a gap to standard errors, given half of an interval and how many standard errors that is."""
    return float(gap / half * per_half) if half > 0 else math.inf


def in_words(value: float) -> str:
    """Write a p-value with four decimals."""
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
