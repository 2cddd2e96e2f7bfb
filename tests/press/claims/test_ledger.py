import json
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from scipy import stats

from poly.press import claims
from poly.press.chapters import Page
from poly.press.claims import Claim, Prediction, ledger

ONE = Page("book/01-one", Path("book/01-one.ipynb"))


LEDGER = {
    name: Claim(
        name,
        "It is one.",
        Prediction(1.0, 0.5, "1", "derived", "for a test"),
        None,
        "look",
        chapter,
        "confirmed",
        True,
        "2026-01-02",
        2,
    )
    for name, chapter in (("A", "01-one"), ("B", "01-one"), ("Z", "09-last"))
}


def record(name: str, verdict: str = "confirmed", **changes: Any) -> dict[str, Any]:
    entry = claims.fingerprint(LEDGER[name]) if name in LEDGER else "?"
    numbers = {"predicted": 1.0, "measured": 1.1, "low": 1.0, "high": 1.2}
    known = {"id": name, "statement": "It is one.", "chapter": "01-one", "verdict": verdict, "seeds": 5, "blind": True}
    return known | numbers | {"interval": "95 % interval", "entry": entry, "amended": ""} | changes


def notebook(*found: dict[str, Any]) -> Any:
    outputs = [new_output("display_data", metadata={"poly": {"claim": each}}) for each in found]  # type: ignore[no-untyped-call]
    cell = new_code_cell("claims.check()", outputs=outputs)  # type: ignore[no-untyped-call]
    return new_notebook(cells=[cell])  # type: ignore[no-untyped-call]


def faults(*found: dict[str, Any], registered: dict[str, Claim] = LEDGER) -> list[str]:
    return ledger.faults(registered, {ONE: notebook(*found)})


def test_each_due_claim_checked_once_as_registered_is_no_fault() -> None:
    assert faults(record("A"), record("B")) == []


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([record("A")], "01-one: claim B is due and not checked"),
        ([record("A"), record("B"), record("B")], "01-one: claim B is checked 2 times"),
        (
            [record("A"), record("B"), record("Z")],
            "01-one: claim Z is checked here but not registered for this chapter",
        ),
        (
            [record("A"), record("B"), record("Q")],
            "01-one: claim Q is checked here but not registered for this chapter",
        ),
        (
            [record("A"), record("B", "refuted", measured=1.9, low=1.8, high=2.0)],
            "01-one: claim B is registered as confirmed, but 1.90 (95 % interval 1.80 to 2.00) makes it refuted; "
            "predicted: 1 (tolerance ±0.5)",
        ),
        (
            [record("A"), record("B", entry="that of another tolerance")],
            "01-one: claim B: its entry has changed since it was checked; say when and why in its field amended",
        ),
    ],
)
def test_faults(found: list[dict[str, Any]], message: str) -> None:
    assert faults(*found) == [message]


def test_a_claim_for_a_misspelled_chapter_is_a_fault() -> None:
    misspelled = LEDGER | {"B": LEDGER["B"]._replace(chapter="01-uno")}
    assert faults(record("A"), registered=misspelled) == [
        "claims.yml, B: chapter='01-uno', must be '01-one' or have another number"
    ]


def test_what_is_published_has_all_claims_and_the_agreed_fields() -> None:
    found = ledger.published(LEDGER, {ONE: notebook(record("A"), record("B", "refuted"))})
    fields = {"id", "statement", "chapter", "predicted", "measured", "low", "high", "verdict", "seeds", "blind"}
    assert [each["id"] for each in found] == ["A", "B", "Z"]
    assert all(each.keys() == fields for each in found)
    assert [each["verdict"] for each in found] == ["confirmed", "refuted", "open"]
    assert found[2]["measured"] is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("changes", "z"),
    [
        ({}, 4 * 1.96),  # 0.4 from the nearer edge, half width 0.1
        ({"measured": 0.7, "low": 0.6, "high": 0.9}, 2 * 1.96),  # 0.2 from the lower edge, half width 0.1 on that side
        ({"verdict": "refuted", "measured": 1.9, "low": 1.7, "high": 2.0}, 2 * 1.96),
        ({"verdict": "refined", "measured": 0.1, "low": 0.0, "high": 0.2}, 4 * 1.96),
    ],
)
def test_the_chance_is_of_the_distance_to_the_edge_in_standard_errors(changes: dict[str, Any], z: float) -> None:
    assert ledger.chance(LEDGER["A"], record("A") | changes) == pytest.approx(stats.norm.sf(z), rel=1e-3)


@pytest.mark.parametrize(
    "changes",
    [{"verdict": "open"}, {"interval": "range of repetitions"}, {"low": 1.1, "high": 1.1, "interval": "exact"}],
)
def test_without_statistics_there_is_no_chance(changes: dict[str, Any]) -> None:
    assert ledger.chance(LEDGER["A"], record("A") | changes) is None


def test_the_page_lists_every_claim_where_it_was_measured() -> None:
    measured = {ONE: notebook(record("A"), record("B", "refuted", measured=1.9, low=1.8, high=2.0))}
    text = "\n".join(ledger.tables(LEDGER, measured).values())
    assert 'id="ledger-A"' in text
    assert '<a href="01-one.html#claim-B">chapter 1</a>' in text
    assert "chapter 9, not yet in the book" in text
    assert "registered as" not in text
    assert '<th scope="row">expected</th><td>confirmed</td>' in text  # B was, and is not
    assert all(
        f"{kind} ({number})" in text for kind, number in (("all", 3), ("confirmed", 1), ("refuted", 1), ("open", 1))
    )
    assert "Of 3 registered claims 2 have been measured and 2 decided" in text
    assert "of 2 at most 0.075 are expected to be false" in text
    assert '| <a href="#ledger-B">B</a> | refuted |' in text


def test_the_papers_claims_come_first_by_number() -> None:
    ledger_of = {name: LEDGER["A"]._replace(id=name) for name in ("A1", "C10", "R2", "C2", "C5b", "C5a")}
    text = ledger.tables(ledger_of, {})["claims"]
    assert re.findall(r'id="ledger-(\w+)"', text) == ["C2", "C5a", "C5b", "C10", "A1", "R2"]
