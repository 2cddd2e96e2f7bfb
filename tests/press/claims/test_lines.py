"""A claim as a line of the ledger's page."""

from typing import Any

import pytest

from poly.press.claims import Claim, Prediction
from poly.press.claims.lines import Amendment, Line, Place, all_amendments, amendments, line, margin, verdict_of
from press.claims.test_forest import claim

PLACE = Place("01-one", "chapter 1")
RECORD = {
    "measured": 1.02,
    "low": 1.0,
    "high": 1.05,
    "interval": "95 % interval",
    "verdict": "confirmed",
    "seeds": 1200,
}


def rows(entry: Claim, record: dict[str, Any] | None = None, **more: Any) -> dict[str, str]:
    return dict(line(entry, record, PLACE, **more).rows)


def test_a_line() -> None:
    found = line(claim(statement="Two\n are one. Three  are not."), RECORD, PLACE)
    assert found.says == "Two are one."
    assert found.statement == "Two are one. Three are not."
    assert (found.kind, found.verdict, found.known, found.place) == ("prediction", "confirmed", "blind", "chapter 1")
    assert found.address == "01-one.html#claim-C9"
    assert found.rows == [
        ("predicted", "one"),
        ("margin", "±0.1, derived. for a test"),
        ("test", "t"),
        ("measured", "1.02 (95 % interval 1.00 to 1.05)"),
        ("starts", "1,200"),
        ("registered", "2026-01-02, blind: the number was unknown"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("About n²/4m. It holds.", "About n²/4m."),
        ("At σ = 0.1 it holds.", "At σ = 0.1 it holds."),
        ("See e.g. this one", "See e.g. this one"),
        ("No end", "No end"),
    ],
)
def test_the_first_sentence_is_the_short_statement(text: str, says: str) -> None:
    assert line(claim(statement=text), None, PLACE).says == says


@pytest.mark.parametrize(
    ("changes", "blindness", "registered"),
    [
        ({"blind": True}, "blind", "2026-01-02, blind: the number was unknown"),
        ({"blind": False}, "seen", "2026-01-02, not blind: the number, or one close to it, was known"),
        (
            {"blind": False, "with_number": True},
            "with-number",
            "2026-01-02, together with its number, so never blind",
        ),
    ],
)
def test_who_registers_a_number_is_never_blind(changes: dict[str, Any], blindness: str, registered: str) -> None:
    entry = claim(**changes)
    assert line(entry, None, PLACE).blindness == blindness
    assert rows(entry)["registered"] == registered


def test_the_commit_is_named_where_it_is_known() -> None:
    assert rows(claim(), commit="0123456789abcdef")["registered"].startswith("2026-01-02 (commit 0123456789), blind")


def test_rows_stand_where_there_is_something_to_say() -> None:
    entry = claim(
        alternative=Prediction(2.0, 0.2, "two", "about", "It may."),
        precision=0.05,
        amended="2026-02-01: one; 2026-02-03: two; three",
        expected="open",
    )
    found = rows(entry, RECORD)
    assert found["or else"] == "two (tolerance ±0.2) It may."
    assert found["planned precision"] == "±0.05, the half-width of the interval"
    assert found["expected"] == "open"
    assert [value for name, value in line(entry, None, PLACE).rows if name == "amended"] == [
        "2026-02-01: one",
        "2026-02-03: two; three",
    ]
    assert "predicted" not in rows(claim(kind="exploration"), RECORD)


@pytest.mark.parametrize(
    ("prediction", "says"),
    [
        (Prediction(2.0, 0.2, "", "about"), "±0.2: about, 10 % of the prediction"),
        (Prediction(2.0, 0.1, "", "equal"), "±0.1: equal, 5 % of the prediction"),
        (Prediction(2.0, 0.3, "", "about"), "±0.3"),
        (Prediction(0.0, 0.3, "", "equal"), "±0.3"),
        (Prediction(-1.0, 0.1, "", "exponent"), "±0.1, as for every exponent"),
        (Prediction(0.0, 1e-10, "", "exact", "Float64."), "±1e-10, for rounding alone. Float64."),
        (Prediction(0.0, 0.03, "", "derived", "So wide."), "±0.03, derived. So wide."),
        (Prediction(1.0, 0.5, "", "instance"), "none: one verified instance decides"),
    ],
)
def test_a_margin_names_its_rule_where_it_follows_it(prediction: Prediction, says: str) -> None:
    assert margin(prediction) == says


def test_a_retired_claim_keeps_its_last_verdict_and_leads_to_its_successor() -> None:
    entry = claim(retired="2026-02-01:\n why", expected="refuted", succeeds="B")
    found: Line = line(entry, None, PLACE, successors=["D", "E"])
    assert verdict_of(entry, None) == "refuted"
    assert (found.verdict, found.retired, found.address) == ("refuted", "2026-02-01: why", "")
    assert found.links == [("succeeds", "B"), ("succeeded by", "D"), ("succeeded by", "E")]
    assert verdict_of(claim(), None) == "open"


def test_amendments_come_newest_first() -> None:
    one = claim(amended="2026-02-01: a; 2026-02-03: b")
    two = claim(id="D", amended="2026-02-02: c")
    assert amendments(claim()) == []
    assert all_amendments({"C9": one, "D": two, "E": claim()}) == [
        Amendment("2026-02-03", "C9", "b"),
        Amendment("2026-02-02", "D", "c"),
        Amendment("2026-02-01", "C9", "a"),
    ]
