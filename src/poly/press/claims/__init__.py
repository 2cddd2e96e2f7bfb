"""Show claims: predictions that are registered before the numbers, and verdicts that are computed from them.

Chapters call `predict`, `check` and `adjust`. The press reads claims by `load`, and their records from the chapters'
outputs.
"""

from collections.abc import Sequence

from IPython.display import display

from poly.press.claims import cards
from poly.press.claims.entries import Claim, Prediction, fingerprint, load
from poly.press.claims.records import Record, record
from poly.press.claims.schema import amendment_dates
from poly.press.claims.verdicts import verdict
from poly.press.claims.wording import measurement, predicted

__all__ = [
    "Claim",
    "Prediction",
    "Record",
    "adjust",
    "amendment_dates",
    "check",
    "fingerprint",
    "load",
    "measurement",
    "predict",
    "predicted",
    "verdict",
]


# The records of the claims that this kernel has checked.
_checked: dict[str, Record] = {}


def predict(*ids: str) -> None:
    """Show a table of statements, predictions and tests, before anything is measured.

    Args:
        ids: the claims' ids in the ledger.

    Raises:
        ValueError: an id is unknown.
    """
    found = [_find(name) for name in ids]
    shown = {"text/html": cards.predictions_html(found), "text/plain": cards.predictions_text(found)}
    display(shown, raw=True)  # type: ignore[no-untyped-call]


def check(name: str, measured: float, low: float, high: float, *, seeds: int, interval: str = "95 % interval") -> None:
    """Compare a measurement and its interval with a claim, and show the verdict on a card.

    The card's output carries the record for the press, rounded to the claim's digits.

    Args:
        name: the claim's id in the ledger.
        measured: the point estimate.
        low, high: its interval.
        seeds: the number of independent starts behind it; 0 for a computation without randomness.
        interval: what the interval is, as the card says it; "95 % …" where it is one of confidence.

    Raises:
        ValueError: the id is unknown, or the interval is not finite with low ≤ measured ≤ high.
    """
    claim = _find(name)
    found = record(claim, measured, low, high, seeds=seeds, interval=interval)
    _checked[name] = found | {"measured": measured, "low": low, "high": high, "interval": interval}  # not rounded
    card = cards.chapter_card(claim, found)
    shown = {"text/html": cards.card_html(card), "text/plain": cards.card_text(card)}
    display(shown, raw=True, metadata={"poly": {"claim": found}})  # type: ignore[no-untyped-call]


def adjust(primary: Sequence[str], others: Sequence[str]) -> None:
    """Show the p-values of verdicts, adjusted for their number: by Holm, and by Benjamini and Hochberg.

    Args:
        primary: ids of the claims that must all be right at once; may be empty.
        others: ids of those of which a share may be wrong.

    Raises:
        ValueError: an id is unknown, or in both lists.
    """
    from poly.press.claims import families  # noqa: PLC0415  # loads scipy.stats, which few chapters need for claims

    if twice := set(primary) & set(others):
        raise ValueError(f"others: hold {sorted(twice)[0]!r}, must hold none of the primary claims")
    ledger = {name: _find(name) for name in (*primary, *others)}
    found = families.adjust(ledger, _checked, primary, others)
    shown = {"text/html": families.html(found), "text/plain": families.text(found)}
    display(shown, raw=True)  # type: ignore[no-untyped-call]


def _find(name: str) -> Claim:
    ledger = load()
    if name not in ledger:
        raise ValueError(f"claim {name!r}: not in claims.yml, which has {', '.join(ledger)}")
    return ledger[name]
