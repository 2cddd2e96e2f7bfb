"""The ledger of claims: predictions registered before numbers, verdicts computed and not typed.

``book/claims.yml`` maps an id to its entry: statement, prediction (a number), tolerance, test, chapter,
expected verdict, blind (were the numbers unknown when it was registered?), registered (date), and, where
there is one, an ``alternative`` prediction with its own tolerance, and what was ``amended`` later, and when.
"""

import html

from IPython.display import display

from poly.press.claims.entries import Claim, Prediction, fingerprint, load
from poly.press.claims.records import Record, record
from poly.press.claims.schema import amendments
from poly.press.claims.verdicts import verdict
from poly.press.claims.wording import measurement, predicted, predicted_or_else

__all__ = [
    "Claim",
    "Prediction",
    "Record",
    "amendments",
    "check",
    "fingerprint",
    "load",
    "measurement",
    "predict",
    "predicted",
    "verdict",
]


def predict(*ids: str) -> None:
    """Show what is claimed, before anything is measured: one table with statement, prediction and test.

    Raises:
        ValueError: an unknown id.
    """
    rows, lines = "", []
    for claim in map(_find, ids):
        expected = predicted_or_else(claim)
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
    found = record(claim, measured, low, high, seeds=seeds, interval=interval)
    outcome, shown = found["verdict"], measurement(found, claim.digits)
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
    display(bundle, raw=True, metadata={"poly": {"claim": found}})  # type: ignore[no-untyped-call]


def _find(name: str) -> Claim:
    ledger = load()
    if name not in ledger:
        raise ValueError(f"claim {name!r}: not in claims.yml, which has {', '.join(ledger)}")
    return ledger[name]
