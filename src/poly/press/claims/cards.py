"""Show claims as HTML and as text: cards with a verdict, and tables of predictions."""

from collections.abc import Sequence
from typing import NamedTuple

from poly.press.claims import templates
from poly.press.claims.entries import Claim
from poly.press.claims.records import Record
from poly.press.claims.schema import amendment_dates
from poly.press.claims.wording import measurement, predicted, predicted_or_else


class Card(NamedTuple):
    """A claim with its verdict, as a chapter and the ledger's page show it.

    Attributes:
        id: the claim's id.
        anchor: the card's own address on its page.
        verdict: the verdict, or "open" where nothing was measured yet.
        statement: what is claimed.
        rows: names and values of the table.
        place: where else the claim stands, in words.
        address: the address of that place; empty where it is not in the book yet.
        registration: what follows on the same line.
    """

    id: str
    anchor: str
    verdict: str
    statement: str
    rows: list[tuple[str, str]]
    place: str
    address: str = ""
    registration: str = ""


def chapter_card(claim: Claim, record: Record) -> Card:
    """Build the card that a chapter shows for a measurement."""
    rows = [] if claim.kind == "exploration" else [("predicted", predicted(claim.prediction))]
    if claim.alternative:
        rows.append(("alternative", predicted(claim.alternative)))
    rows.append(("measured", measurement(record, claim.digits)))
    if record["seeds"]:
        rows.append(("starts", f"{record['seeds']:,}"))
    rows.append(("blind", "yes" if claim.blind else "no"))
    if claim.amended:
        rows.append(
            ("amended", f"{', '.join(dict.fromkeys(amendment_dates(claim.amended)))}: the ledger says what and why")
        )
    return Card(
        id=claim.id,
        anchor=f"claim-{claim.id}",
        verdict=record["verdict"],
        statement=claim.statement,
        rows=rows,
        place="in the ledger",
        address=f"ledger.html#ledger-{claim.id}",
    )


def card_html(card: Card) -> str:
    """Write a card as HTML."""
    return templates.render("card.html", card=card)


def card_text(card: Card) -> str:
    """Write a card as plain text, for readers without HTML."""
    return "\n".join([f"{card.id}: {card.verdict}", card.statement, *(f"{name}: {value}" for name, value in card.rows)])


def predictions_html(claims: Sequence[Claim]) -> str:
    """Write a table of statements, predictions and tests as HTML."""
    rows = [claim._asdict() | {"predicted": predicted_or_else(claim)} for claim in claims]
    return templates.render("predictions.html", rows=rows)


def predictions_text(claims: Sequence[Claim]) -> str:
    """Write the same table as plain text."""
    return "\n".join(
        f"{claim.id}: {claim.statement}\n    predicted: {predicted_or_else(claim)}\n    test: {claim.test}"
        for claim in claims
    )
