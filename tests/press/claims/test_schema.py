"""The schema says the same as the code, and every fault is one line that says what is allowed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poly.press.claims import Claim, Prediction, rules, schema
from poly.press.claims.entries import Kind
from poly.press.claims.verdicts import VERDICTS
from poly.press.metadata import CLAIM_ID, Verdict
from press.claims.test_claims import ALTERNATIVE, ENTRY

BOOK = Path(__file__).parents[3] / "book"
FIELDS = schema.SCHEMA["$defs"]["claim"]["properties"]


def each_rule(part: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of the schema that an entry can violate."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str) or "enum" in part:
            yield part
        for inner in part.values():
            yield from each_rule(inner)


def fault(entry: Any, name: str = "C1") -> str:
    with pytest.raises(ValueError, match=r"^claims\.yml, ") as caught:
        schema.validate(name, entry)
    return str(caught.value).removeprefix("claims.yml, ")


def test_it_is_a_schema_whose_every_rule_says_what_is_allowed() -> None:
    Draft202012Validator.check_schema(schema.SCHEMA)
    found = list(each_rule(schema.SCHEMA))
    assert len(found) == 19
    assert all(rule["description"].startswith("must ") for rule in found)


def test_its_fields_and_verdicts_are_those_of_the_code() -> None:
    prediction = schema.SCHEMA["$defs"]["prediction"]
    assert {*FIELDS} == {*Claim._fields} - {"id"}
    optional = {"alternative", *Claim._field_defaults}
    assert {*schema.SCHEMA["$defs"]["claim"]["required"]} == {*FIELDS} - optional
    assert {*prediction["properties"]} == {*Prediction._fields}
    assert {*prediction["required"]} == {*Prediction._fields} - {*Prediction._field_defaults}
    assert tuple(FIELDS["expected"]["enum"]) == get_args(Verdict)
    assert tuple(FIELDS["kind"]["enum"]) == tuple(VERDICTS) == get_args(Kind)
    assert FIELDS["kind"]["description"] == f"must be one of {get_args(Kind)}"
    assert prediction["properties"]["margin"]["description"] == f"must be one of {rules.MARGINS}"


@given(st.text(max_size=42) | st.from_regex(r"[\w.-]{0,42}", fullmatch=True) | st.from_regex(CLAIM_ID))
def test_an_id_is_what_cards_take_for_one(name: str) -> None:
    pattern = schema.SCHEMA["propertyNames"]["pattern"]
    assert bool(re.search(pattern, name)) == bool(CLAIM_ID.fullmatch(name))


def test_the_book_s_own_ledger_names_it() -> None:
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", (BOOK / "claims.yml").read_text("utf-8"), re.M)
    assert (BOOK / named).resolve() == Path(schema.__file__).with_suffix(".json")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"alternative": ALTERNATIVE},
        {"amended": ""},
        {"amended": "2026-01-02: why; 2026-01-03: why again"},
        {"digits": 0},
        {"digits": 17},
        {"prediction": {"value": -1e308, "tolerance": 1e-300, "says": "small"}},
    ],
)
def test_what_fits_passes(change: dict[str, Any]) -> None:
    schema.validate("C1", ENTRY | change)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"digits": 2.0}, "C1: digits=2.0, must be a whole number from 0 to 17"),
        ({"digits": -1}, "C1: digits=-1, must be a whole number from 0 to 17"),
        ({"digits": 10**400}, f"C1: digits={10**400}, must be a whole number from 0 to 17"),
        ({"digits": True}, "C1: digits=True, must be a whole number from 0 to 17"),
        ({"registered": 20260102}, "C1: registered=20260102, must be a date, as in 2026-01-31"),
        ({"registered": "9999-01-01"}, "C1: registered='9999-01-01', must be a date, as in 2026-01-31"),
        ({"amended": "later"}, "C1: amended='later', must begin with a date, as in 2026-01-31: why"),
        ({"amended": 5}, "C1: amended=5, must begin with a date, as in 2026-01-31: why"),
        (
            {"amended": "2026-01-02: a; 2026-02-30: b"},
            "C1: amended='2026-01-02: a; 2026-02-30: b', must begin with a date, as in 2026-01-31: why",
        ),
        ({"blind": 1}, "C1: blind=1, must be true or false"),
        ({"prediction": None}, "C1: prediction is empty"),
        ({"prediction": []}, "C1: prediction must have a number value, a number tolerance, and says"),
        ({"alternative": {}}, "C1: alternative must have a number value, a number tolerance, and says"),
        ({"alternative": ALTERNATIVE | {"value": 10**400}}, "C1: alternative must be finite, with tolerance > 0"),
        ({"alternative": ALTERNATIVE | {"tolerance": 0}}, "C1: alternative must be finite, with tolerance > 0"),
        ({"alternative": ALTERNATIVE | {"tolerance": "x"}}, "C1: alternative: tolerance='x', must be a number"),
        ({"odd": 1, "even": 2}, f"C1: unknown field 'even', allowed are {', '.join(sorted(FIELDS))}"),
    ],
)
def test_a_fault_is_one_line(change: dict[str, Any], line: str) -> None:
    assert fault(ENTRY | change) == line


def test_the_id_comes_first_then_unknown_fields_then_missing_ones() -> None:
    assert fault({"odd": 1}, "C 1") == "'C 1': an id must be letters, digits, '.', '_' and '-', at most 40"
    assert fault({"odd": 1}).startswith("C1: unknown field 'odd', ")
    assert fault({}) == "C1: field 'blind' is missing"
    assert fault([]) == "C1: must be a mapping of fields"
