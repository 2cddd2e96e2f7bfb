"""Draw a claim's measurement against its prediction: a small picture for a line of the ledger.

Its axis counts margins from the prediction, so that the margin is equally wide in every line.
"""

from typing import NamedTuple

from poly.press.claims.entries import Claim, Prediction
from poly.press.claims.records import Record
from poly.press.claims.wording import measurement, predicted

WIDTH = 160.0
# The picture shows so many margins on either side of the prediction. Beyond is room for an arrow.
MOST = 4.0
_END = 10.0
_UNIT = (WIDTH / 2 - _END) / MOST


class Band(NamedTuple):
    """A predicted number with its margin.

    Attributes:
        name: "predicted" or "alternative".
        x: the left edge.
        width: how wide the margin is, cut where the axis ends.
        mark: where the number itself is; None beyond the axis.
    """

    name: str
    x: float
    width: float
    mark: float | None


class Forest(NamedTuple):
    """A picture, in its own coordinates, whose x runs from 0 to ``WIDTH``.

    Attributes:
        bands: what was predicted.
        interval: the ends of the measurement's interval, cut where the axis ends; None if nothing of it shows.
        dot: where the measurement is; None beyond the axis.
        arrows: the sides, "left" or "right", on which the interval goes on beyond the axis.
        words: what the picture says.
    """

    bands: list[Band]
    interval: tuple[float, float] | None
    dot: float | None
    arrows: list[str]
    words: str


def forest(claim: Claim, record: Record | None) -> Forest:
    """Draw a claim. An exploration has no prediction: its interval fills one margin, whatever its length."""
    axis = _Axis.of(claim, record)
    bands = []
    if claim.kind != "exploration":
        bands = [axis.band("predicted", claim.prediction)]
        if claim.alternative and axis.shows(claim.alternative):
            bands.append(axis.band("alternative", claim.alternative))
    if record is None:
        return Forest(bands, None, None, [], words(claim, record))
    low, dot, high = (axis.margins(record[name]) for name in ("low", "measured", "high"))
    seen = low < high and low <= MOST and high >= -MOST
    arrows = [side for side, beyond in (("left", low < -MOST), ("right", high > MOST)) if beyond]
    return Forest(
        bands=bands,
        interval=(_x(low), _x(high)) if seen else None,
        dot=_x(dot) if abs(dot) <= MOST else None,
        arrows=arrows,
        words=words(claim, record),
    )


def words(claim: Claim, record: Record | None) -> str:
    """Say what the picture shows, for a reader who cannot see it."""
    parts = []
    if claim.kind != "exploration":
        first = claim.prediction
        parts.append(f"predicted: {first.says if first.margin == 'instance' else predicted(first)}")
    if claim.alternative:
        parts.append(f"or else: {predicted(claim.alternative)}")
    parts.append(f"measured: {measurement(record, claim.digits)}" if record else "not measured yet")
    return "; ".join(parts)


class _Axis(NamedTuple):
    """An axis that counts in margins from a number."""

    zero: float
    margin: float

    @classmethod
    def of(cls, claim: Claim, record: Record | None) -> "_Axis":
        if claim.kind != "exploration" or record is None:
            return cls(claim.prediction.value, claim.prediction.tolerance)
        measured = record["measured"]
        return cls(measured, max(measured - record["low"], record["high"] - measured) or 1.0)

    def margins(self, value: float) -> float:
        return (value - self.zero) / self.margin

    def shows(self, prediction: Prediction) -> bool:
        value, tolerance, *_ = prediction
        return self.margins(value - tolerance) < MOST and self.margins(value + tolerance) > -MOST

    def band(self, name: str, prediction: Prediction) -> Band:
        value, tolerance, *_ = prediction
        mark = self.margins(value)
        low, high = self.margins(value - tolerance), self.margins(value + tolerance)
        if value == self.zero:  # without the rounding error of value ± tolerance
            low, high = -1.0, 1.0
        if prediction.margin == "instance":  # one is enough, and more are as good
            low, high = mark, MOST
        left, right = _x(low), _x(high)
        return Band(name, left, round(right - left, 2), _x(mark) if abs(mark) <= MOST else None)


def _x(margins: float) -> float:
    """Find the place of a number of margins, or the end of the axis where it lies beyond."""
    return round(WIDTH / 2 + _UNIT * max(-MOST, min(MOST, margins)), 2)
