"""The ledger of claims: predictions registered before numbers, verdicts computed and not typed.

``book/claims.yml`` maps an id to its entry: statement, prediction (a number), tolerance, test, chapter,
expected verdict, blind (were the numbers unknown when it was registered?), registered (date), and, where
there is one, an ``alternative`` prediction with its own tolerance, and what was ``amended`` later, and when.
"""

import html
import math
import re
from typing import Any

from IPython.display import display

from poly.press.claims.entries import Claim, Prediction, fingerprint, load
from poly.press.claims.schema import amendments
from poly.press.metadata import Verdict

__all__ = [
    "Claim",
    "Prediction",
    "amendments",
    "check",
    "fingerprint",
    "inside",
    "load",
    "measurement",
    "number",
    "predict",
    "predicted",
    "verdict",
]

# Beyond so many decimals a number is easier read as "0" or as a power of ten.
_MOST_DIGITS = 4
# An interval that is so much narrower than the tolerance may be lost in rounding.
_NEGLIGIBLE = 0.01
_RANGE = re.compile(r"\d to \d|\bbelow\b|\bor more\b|\bat most\b")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def verdict(claim: Claim, low: float, high: float) -> Verdict:
    """What the interval [low, high] says of the claim.

    confirmed: it lies inside prediction ± tolerance; refuted: wholly outside; refined: refuted, while
    the registered alternative is confirmed; open: anything else.

    Raises:
        ValueError: an interval that is not finite with low ≤ high.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"claim {claim.id}: interval [{low}, {high}] must be finite with low ≤ high")
    if inside(claim.prediction, low, high):
        return "confirmed"
    value, tolerance, _ = claim.prediction
    if value - tolerance <= high and low <= value + tolerance:
        return "open"
    return "refined" if claim.alternative and inside(claim.alternative, low, high) else "refuted"


def predict(*ids: str) -> None:
    """Show what is claimed, before anything is measured: one table with statement, prediction and test.

    Raises:
        ValueError: an unknown id.
    """
    rows, lines = "", []
    for claim in map(_find, ids):
        expected = predicted(claim.prediction)
        if claim.alternative:
            expected += f", or else {predicted(claim.alternative)}"
        rows += (
            f'<tr id="predict-{claim.id}"><th scope="row">{claim.id}</th><td>{html.escape(claim.statement)}</td>'
            f"<td>{html.escape(expected)}</td><td>{html.escape(claim.test)}</td></tr>"
        )
        lines += [f"{claim.id}: {claim.statement}", f"    predicted: {expected}", f"    test: {claim.test}"]
    head = "<tr><th>id</th><th>claim</th><th>predicted</th><th>test</th></tr>"
    page = f'<div class="predictions"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'
    display({"text/html": page, "text/plain": "\n".join(lines)}, raw=True)  # type: ignore[no-untyped-call]


def check(name: str, measured: float, low: float, high: float, *, seeds: int, interval: str = "95 % interval") -> None:
    """Hold a measurement with its interval against the claim, and show the verdict.

    The card's output carries the record (id, statement, chapter, predicted, measured, low, high, verdict, seeds,
    blind, and what binds the entry) for the press, rounded to the claim's digits.

    Args:
        name: id in the ledger.
        measured: the point estimate.
        low, high: its interval.
        interval: what the interval is, as the card says it; "95 % …" where it is one of confidence.
        seeds: the number of independent starts behind it; 0 for a computation without randomness.

    Raises:
        ValueError: an unknown id, or an interval that is not finite with low ≤ measured ≤ high.
    """
    claim = _find(name)
    if not low <= measured <= high:
        raise ValueError(f"claim {name}: measured {measured} must lie in its interval [{low}, {high}]")
    outcome = verdict(claim, low, high)
    telling = high - low > _NEGLIGIBLE * claim.prediction.tolerance
    measured, low, high = (round(value, claim.digits) + 0.0 for value in (measured, low, high))
    record = {
        "id": claim.id,
        "statement": claim.statement,
        "chapter": claim.chapter,
        "predicted": claim.prediction.value,
        "measured": measured,
        "low": low,
        "high": high,
        "verdict": outcome,
        "seeds": seeds,
        "blind": claim.blind,
        "interval": "exact" if low == high else interval,
        "entry": fingerprint(claim),
        "amended": claim.amended,
    }
    shown = measurement(record, claim.digits)
    if low == high and telling and interval.startswith("95 %"):
        raise ValueError(f"claim {name}: digits={claim.digits} leave nothing of its interval, must be more")
    table = [("predicted", predicted(claim.prediction))]
    if claim.alternative:
        table.append(("alternative", predicted(claim.alternative)))
    table += [("measured", shown), ("starts", f"{seeds:,}")] if seeds else [("measured", shown)]
    table.append(("blind", "yes" if claim.blind else "no"))
    if claim.amended:
        table.append(("amended", claim.amended))
    cells = "".join(f'<tr><th scope="row">{key}</th><td>{html.escape(value)}</td></tr>' for key, value in table)
    page = (
        f'<div class="claim claim-{outcome}" id="claim-{claim.id}"><p class="claim-head"><b>{claim.id}</b> '
        f'<span class="claim-verdict">{outcome}</span></p><p>{html.escape(claim.statement)}</p><table>{cells}</table>'
        f'<p class="claim-ledger"><a href="ledger.html#ledger-{claim.id}">in the ledger</a></p></div>'
    )
    plain = "\n".join([f"{claim.id}: {outcome}", claim.statement, *(f"{key}: {value}" for key, value in table)])
    bundle = {"text/html": page, "text/plain": plain}
    display(bundle, raw=True, metadata={"poly": {"claim": record}})  # type: ignore[no-untyped-call]


def _find(name: str) -> Claim:
    ledger = load()
    if name not in ledger:
        raise ValueError(f"claim {name!r}: not in claims.yml, which has {', '.join(ledger)}")
    return ledger[name]


def inside(prediction: Prediction, low: float, high: float) -> bool:
    """Whether the interval lies within the tolerance."""
    return prediction.value - prediction.tolerance <= low and high <= prediction.value + prediction.tolerance


def number(value: float, digits: int) -> str:
    """The number as cards and the ledger show it."""
    if digits > _MOST_DIGITS and value == 0:
        return f"0 (to {digits} decimals)"
    return f"{value:.{digits}f}".replace("-", "−")


def measurement(record: dict[str, Any], digits: int) -> str:
    """A card's measurement with its interval, as cards and the ledger show it."""
    shown = number(record["measured"], digits)
    if record["low"] == record["high"]:
        return shown
    span = f"{number(record['low'], digits)} to {number(record['high'], digits)}"
    return f"{shown} ({record.get('interval', 'interval')} {span})"


def _tolerance(value: float) -> str:
    exponent = math.floor(math.log10(value))
    if exponent < -_MOST_DIGITS:
        return f"{value / 10**exponent:g} · 10{str(exponent).translate(_SUPERSCRIPT)}".removeprefix("1 · ")
    return f"{value:g}"


def predicted(prediction: Prediction) -> str:
    """The prediction in words, with its tolerance where the words are no range already."""
    if _RANGE.search(prediction.says):
        return prediction.says
    return f"{prediction.says} (tolerance ±{_tolerance(prediction.tolerance)})"
