import json
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from poly.press import claims
from poly.press.chapters import Page
from poly.press.claims import Claim, Prediction, ledger

ONE = Page("book/01-one", Path("book/01-one.ipynb"))
PREDICTION = Prediction(1.0, 0.5, "1", "derived", "for a test")
LEDGER = {
    name: Claim(name, "It is one.", PREDICTION, None, "look", chapter, "confirmed", True, "2026-01-02", 2)
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
        (
            [record("A"), record("B", measured=1.0, low=1.0, high=1.0)],
            "01-one: claim B: digits=2 leave nothing of its interval, must be more",
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
    fields |= {"kind", "with_number", "margin", "tolerance", "precision", "succeeds", "retired"}
    assert [each["id"] for each in found] == ["A", "B", "Z"]
    assert all(each.keys() == fields for each in found)
    assert [each["verdict"] for each in found] == ["confirmed", "refuted", "open"]
    assert found[2]["measured"] is None
    assert (found[2]["kind"], found[2]["margin"], found[2]["tolerance"]) == ("prediction", "derived", 0.5)
    json.dumps(found, allow_nan=False)


def test_a_retired_claim_is_published_with_its_last_verdict() -> None:
    retired = LEDGER | {"Z": LEDGER["Z"]._replace(retired="2026-02-01: why", expected="refuted")}
    last = ledger.published(retired, {})[-1]
    assert (last["verdict"], last["measured"], last["retired"]) == ("refuted", None, "2026-02-01: why")


MEASURED = {ONE: notebook(record("A"), record("B", "refuted", measured=1.9, low=1.8, high=2.0))}


def test_the_page_lists_every_claim_where_it_was_measured() -> None:
    text = ledger.tables(LEDGER, MEASURED)["claims"]
    assert '<li class="ledger-line claim-confirmed" id="ledger-A" data-kind="prediction"' in text
    assert '<a href="01-one.html#claim-B">its card in chapter 1</a>' in text
    assert "chapter 9, not measured yet" in text
    assert '<th scope="row">expected</th><td>confirmed</td>' in text  # B was, and is not
    assert text.count("\n") == 1  # a blank line would end HTML within markdown


def test_the_page_has_a_filter_for_each_value_that_a_line_has() -> None:
    text = ledger.tables(LEDGER | {"Y": LEDGER["Z"]._replace(id="Y", chapter="appendix-far")}, MEASURED)["claims"]
    assert re.findall(r'<select name="(\w+)">', text) == ["kind", "verdict", "chapter", "blindness", "order"]
    options = re.findall(r'<option value="([^"]+)">([^<]+ \(\d+\))</option>', text)
    assert options == [
        ("prediction", "prediction (4)"),
        ("confirmed", "confirmed (1)"),
        ("refuted", "refuted (1)"),
        ("open", "open (2)"),
        ("01-one", "chapter 1 (2)"),
        ("09-last", "chapter 9 (1)"),
        ("appendix-far", "appendix far (1)"),
        ("blind", "blind (4)"),
    ]


def test_an_appendix_is_known_by_its_letter() -> None:
    pages = {Page(f"book/{name}", Path(f"book/{name}.ipynb")): notebook() for name in ("appendix-a", "appendix-far")}
    far = {"A": LEDGER["A"]._replace(chapter="appendix-far")}
    assert "<span>appendix B</span>" in ledger.tables(far, pages)["claims"]


def test_the_score_and_the_errors_are_of_the_claims_in_force() -> None:
    found = ledger.tables(LEDGER | {"Z": LEDGER["Z"]._replace(retired="2026-02-01: why")}, MEASURED)
    assert "2 predictions were registered blind, before the number was known: 1 is confirmed," in found["score"]
    assert "<li>1 claim is retired and not counted here.</li>" in found["score"]
    assert "2 claims are decided." in found["errors"]
    assert 'href="#ledger-B"' in found["errors"]


def test_retired_claims_stand_in_a_list_of_their_own_with_the_reason() -> None:
    changed = LEDGER | {
        "B": LEDGER["B"]._replace(succeeds="Z"),
        "Z": LEDGER["Z"]._replace(retired="2026-02-01: why"),
    }
    found = ledger.tables(changed, MEASURED)
    assert 'id="ledger-Z"' not in found["claims"]
    assert 'id="ledger-Z"' in found["retired"]
    assert '<span class="ledger-why">2026-02-01: why</span>' in found["retired"]
    assert '<th scope="row">succeeded by</th><td><a href="#ledger-B">B</a></td>' in found["retired"]
    assert '<th scope="row">succeeds</th><td><a href="#ledger-Z">Z</a></td>' in found["claims"]
    assert "No claim is retired." in ledger.tables(LEDGER, MEASURED)["retired"]


def test_amendments_are_listed() -> None:
    changed = {"A": LEDGER["A"]._replace(amended="2026-02-01: one; 2026-02-03: <two>")}
    found = ledger.tables(changed, {})["amendments"]
    assert "All 2 amendments" in found
    assert re.findall(r"<td>(2026-02-0\d)</td>.*?<td>([^<]*)</td>", found) == [
        ("2026-02-03", "&lt;two&gt;"),
        ("2026-02-01", "one"),
    ]
    assert "No entry has been amended." in ledger.tables(LEDGER, {})["amendments"]


def test_commits_stand_in_the_entries_where_they_are_known() -> None:
    found = ledger.tables(LEDGER, MEASURED, {"A": "0123456789abcdef"})["claims"]
    assert found.count("(commit 0123456789)") == 1


def test_the_papers_claims_come_first_by_number() -> None:
    ledger_of = {name: LEDGER["A"]._replace(id=name) for name in ("A1", "C10", "R2", "C2", "C5b", "C5a")}
    text = ledger.tables(ledger_of, {})["claims"]
    assert re.findall(r'id="ledger-(\w+)"', text) == ["C2", "C5a", "C5b", "C10", "A1", "R2"]


def test_the_search_of_the_book_finds_every_claim_on_the_ledger_s_page() -> None:
    assert ledger.tables(LEDGER, {})["ids"] == "```{index} A, B, Z\n```\n"
    assert ledger.tables({}, {})["ids"] == ""
