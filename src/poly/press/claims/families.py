"""Adjust the p-values of verdicts for their number, in two families of claims, and show them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from poly import inference
from poly.press.claims import p_values, templates
from poly.press.claims.entries import Claim
from poly.press.claims.records import Record


class Adjusted(NamedTuple):
    """A claim's verdict, its p-value, and the p-value adjusted for the number of verdicts.

    ``alike``: whether all networks gave the same number, so that there is no spread to judge by.
    """

    id: str
    verdict: str
    p_value: float
    adjusted: float
    alike: bool


class Families(NamedTuple):
    """The primary claims, adjusted by Holm, and the others, adjusted by Benjamini and Hochberg."""

    primary: list[Adjusted]
    others: list[Adjusted]


def adjust(
    ledger: Mapping[str, Claim], found: Mapping[str, Record], primary: Sequence[str], others: Sequence[str]
) -> Families:
    """Adjust the p-values of both families.

    A claim without a number, or one that is not decided, has the p-value 1. One whose networks all came out alike
    has the p-value 0.

    Args:
        ledger: all claims.
        found: records by id.
        primary, others: the ids of each family.
    """
    raw = [[_p_value(ledger[name], found.get(name)) for name in ids] for ids in (primary, others)]
    by_holm = inference.holm(raw[0]).tolist() if primary else []
    by_rate = inference.false_discovery(raw[1]).tolist() if others else []
    sides = zip((primary, others), raw, (by_holm, by_rate), strict=True)
    return Families(*([_adjusted(*row, found) for row in zip(*side, strict=True)] for side in sides))


def html(families: Families) -> str:
    """Write the adjusted p-values as HTML."""
    return templates.render("families.html", summary=_summary(families), rows=_rows(families))


def text(families: Families) -> str:
    """Write the adjusted p-values as plain text."""
    return "\n".join([_summary(families), *("  ".join(row) for row in _rows(families))])


def _p_value(claim: Claim, record: Record | None) -> float:
    if record is None or record["verdict"] in p_values.UNDECIDED:
        return 1.0
    if record["low"] == record["high"]:
        return 0.0
    found = p_values.p_value(claim, record)
    return 1.0 if found is None else found


def _adjusted(name: str, p_value: float, adjusted: float, found: Mapping[str, Record]) -> Adjusted:
    record = found.get(name, {"verdict": "no number", "low": 0, "high": 1})
    return Adjusted(name, record["verdict"], p_value, adjusted, alike=record["low"] == record["high"])


def _rows(families: Families) -> list[tuple[str, ...]]:
    every = [*families.primary, *families.others]
    return [(row.id, row.verdict, *(_in_words(row, value) for value in (row.p_value, row.adjusted))) for row in every]


def _in_words(row: Adjusted, value: float) -> str:
    return "no spread" if row.alike else p_values.in_words(value)


def _summary(families: Families) -> str:
    by_holm, by_rate = (f"{sum(row.adjusted <= p_values.LEVEL for row in rows)} of {len(rows)}" for rows in families)
    if not families.primary:
        return f"{by_rate} verdicts stand after Benjamini and Hochberg’s adjustment."
    primary = f"{by_holm} primary verdicts stand after Holm’s adjustment"
    return f"{primary}, and {by_rate} others after Benjamini and Hochberg’s."
