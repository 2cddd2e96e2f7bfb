"""Write a claim as a line of the ledger's page, and its whole entry behind it."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from poly.press import markup
from poly.press.claims import rules, schema
from poly.press.claims.entries import Claim, Prediction
from poly.press.claims.forest import Forest, forest
from poly.press.claims.records import Record
from poly.press.claims.wording import measurement, predicted
from poly.press.metadata import Verdict

BLINDNESS = {"blind": "blind", "seen": "not blind", "with-number": "with its number"}
_REGISTERED = {
    "blind": "blind: the number was unknown",
    "seen": "not blind: the number, or one close to it, was known",
    "with-number": "together with its number, so never blind",
}
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[^a-z])")


class Line(NamedTuple):
    """A claim on the ledger's page.

    Attributes:
        id: the claim's id.
        says: the statement's first sentence.
        statement: the whole statement.
        kind, verdict: the claim's kind; its verdict, which is "open" where nothing was measured yet.
        blindness: a key of ``BLINDNESS``; ``known`` is its words.
        chapter: the name of its chapter; ``place`` is its words.
        address: where the chapter shows its card; empty where it shows none.
        forest: the picture.
        rows: names and values of the entry's table.
        links: names and ids of the claims that this one succeeds, or that succeed it.
        retired: why it is retired, and since when; empty for a claim in force.
        measured: whether its chapter has measured it, or had when it was retired.
    """

    id: str
    says: str
    statement: str
    kind: str
    verdict: Verdict
    blindness: str
    known: str
    chapter: str
    place: str
    address: str
    forest: Forest
    rows: list[tuple[str, str]]
    links: list[tuple[str, str]]
    retired: str
    measured: bool


class Place(NamedTuple):
    """The page that measures a claim: its name, and how readers know it, such as "chapter 4"."""

    name: str
    words: str


class Amendment(NamedTuple):
    """A dated change of an entry."""

    date: str
    id: str
    why: str


def line(
    claim: Claim, record: Record | None, place: Place, *, commit: str = "", successors: Iterable[str] = ()
) -> Line:
    """Write a claim.

    Args:
        claim: the entry.
        record: what its chapter measured; None where nothing was measured yet, or is no more.
        place: its chapter.
        commit: the commit that registered it; empty if unknown.
        successors: the ids of the claims that have taken its place.
    """
    blindness = _blindness(claim)
    links = [("succeeds", claim.succeeds)] if claim.succeeds else []
    links += [("succeeded by", name) for name in successors]
    rows = [*_rows(claim, record), ("registered", _registered(claim, blindness, commit))]
    rows += [("amended", f"{change.date}: {change.why}") for change in amendments(claim)]
    statement = markup.one_line(claim.statement)
    return Line(
        id=claim.id,
        says=_SENTENCE.split(statement)[0],
        statement=statement,
        kind=claim.kind,
        verdict=verdict_of(claim, record),
        blindness=blindness,
        known=BLINDNESS[blindness],
        chapter=place.name,
        place=place.words,
        address=f"{place.name}.html#claim-{claim.id}" if record else "",
        forest=_on_one_line(forest(claim, record)),
        rows=[(name, markup.one_line(value)) for name, value in rows],
        links=links,
        retired=markup.one_line(claim.retired),
        measured=record is not None or "Last record" in claim.retired,
    )


def verdict_of(claim: Claim, record: Record | None) -> Verdict:
    """Return a claim's verdict: as measured, or the last one of a retired claim; open if nothing was measured yet."""
    if record:
        found: Verdict = record["verdict"]
        return found
    return claim.expected if claim.retired else "open"


def amendments(claim: Claim) -> list[Amendment]:
    """List the changes of an entry, in its order: the oldest first."""
    _, *parts = schema.AMENDMENT.split(claim.amended)
    return [Amendment(date, claim.id, markup.one_line(why)) for date, why in zip(parts[::2], parts[1::2], strict=True)]


def all_amendments(ledger: Mapping[str, Claim]) -> list[Amendment]:
    """List the changes of all entries, the newest first."""
    found = [change for claim in ledger.values() for change in reversed(amendments(claim))]
    return sorted(found, key=lambda change: change.date, reverse=True)


def margin(prediction: Prediction) -> str:
    """Say what margin a prediction has, and why."""
    _, tolerance, _, name, why = prediction
    wide = f"±{tolerance:g}"
    says = {
        **{name: f"{wide}: {name}, {100 * share:g} % of the prediction" for name, share in rules.SHARES.items()},
        "exponent": f"{wide}, as for every exponent",
        "exact": f"{wide}, for rounding alone",
        "derived": f"{wide}, derived",
        "instance": "none: one verified instance decides",
    }[name]
    if name in rules.SHARES and not math.isclose(tolerance, rules.fixed_tolerance(prediction) or 0.0):
        says = wide
    return f"{says}. {why}" if why else says


def _rows(claim: Claim, record: Record | None) -> list[tuple[str, str]]:
    rows = []
    if claim.kind != "exploration":
        rows = [("predicted", claim.prediction.says), ("margin", margin(claim.prediction))]
    if claim.alternative:
        rows.append(("or else", f"{predicted(claim.alternative)} {claim.alternative.why}".strip()))
    rows.append(("test", claim.test))
    if claim.precision is not None:
        rows.append(("planned precision", f"±{claim.precision:g}, the half-width of the interval"))
    if record is None:
        return rows
    rows.append(("measured", measurement(record, claim.digits)))
    if record["seeds"]:
        rows.append(("starts", f"{record['seeds']:,}"))
    if record["verdict"] != claim.expected:
        rows.append(("expected", claim.expected))
    return rows


def _blindness(claim: Claim) -> str:
    if claim.with_number:
        return "with-number"
    return "blind" if claim.blind else "seen"


def _registered(claim: Claim, blindness: str, commit: str) -> str:
    by = f" (commit {commit[:10]})" if commit else ""
    return f"{claim.registered}{by}, {_REGISTERED[blindness]}"


def _on_one_line(picture: Forest) -> Forest:
    return picture._replace(words=markup.one_line(picture.words))
