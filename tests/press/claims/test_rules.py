"""One rule for every entry, whoever made the claim."""

from typing import Any

import pytest

from poly.press.claims import Prediction, rules
from poly.press.claims.verdicts import VERDICTS
from press.claims.test_ledger import LEDGER

ABOUT = Prediction(2.0, 0.2, "two", "about")
CLAIM = LEDGER["A"]._replace(prediction=ABOUT)
RETIRED = CLAIM._replace(id="R", retired="2026-02-01: underpowered")


def faults(**changes: Any) -> list[str]:
    return rules.faults(CLAIM._replace(**changes), {"R": RETIRED, "A": CLAIM})


@pytest.mark.parametrize(
    "prediction",
    [
        ABOUT,
        Prediction(-2.0, 0.1, "minus two", "equal"),
        Prediction(-2.0, 0.1, "slope", "exponent"),
        Prediction(0.0, 1e-9, "no difference", "exact", "rounding of sums over 1,000 weights"),
        Prediction(0.0, 0.3, "few", "derived", "a third of the networks would be seen"),
        Prediction(1.0, 0.5, "at least one", "instance"),
    ],
)
def test_a_tolerance_that_follows_from_its_margin_is_no_fault(prediction: Prediction) -> None:
    assert faults(prediction=prediction) == []


@pytest.mark.parametrize(
    ("prediction", "says"),
    [
        (Prediction(2.0, 0.3, "two", "about"), "tolerance=0.3, must be 0.2 for the margin about"),
        (Prediction(2.0, 0.2, "two", "equal"), "tolerance=0.2, must be 0.1 for the margin equal"),
        (Prediction(2.0, 0.2, "two", "exponent"), "tolerance=0.2, must be 0.1 for the margin exponent"),
        (Prediction(0.0, 0.1, "none", "equal"), "tolerance=0.1, must be 0 for the margin equal"),
        (Prediction(2.0, 0.3, "two", "derived"), "margin derived needs a reason: why"),
        (Prediction(2.0, 0.3, "two", "exact", " "), "margin exact needs a reason: why"),
        (Prediction(0.5, 0.3, "some", "instance"), "value=0.5, must be 1: one verified instance decides"),
    ],
)
def test_another_tolerance_is_a_fault_of_prediction_and_alternative_alike(prediction: Prediction, says: str) -> None:
    assert faults(prediction=prediction)[0].startswith(f"claim A: {says}")
    if prediction.margin != "instance":
        assert faults(alternative=prediction)[0].startswith(f"claim A: {says}")


@pytest.mark.parametrize("kind", list(VERDICTS))
def test_the_expected_verdict_is_one_of_its_kind(kind: Any) -> None:
    for verdicts in VERDICTS.values():
        for expected in verdicts:
            found = faults(kind=kind, expected=expected)
            assert (found == []) == (expected in VERDICTS[kind])


def test_a_new_entry_plans_a_precision_that_can_decide() -> None:
    new = {"registered": rules.PRECISION_SINCE}
    assert faults(**new) == ["claim A: precision is missing: the planned half-width of the interval"]
    assert faults(**new, precision=0.1) == []
    assert "must be at most 0.1" in faults(**new, precision=0.11)[0]
    assert faults(**new, kind="exploration", expected="measured") == []
    assert faults(**new, kind="identity", expected="holds") == []
    assert faults(**new, retired="2026-11-30: underpowered") == []
    assert faults(registered="2026-11-28") == []


def test_who_registers_a_number_has_seen_it() -> None:
    assert "blind and with_number exclude each other" in faults(with_number=True)[0]
    assert faults(with_number=True, blind=False) == []


def test_a_successor_names_a_retired_claim() -> None:
    assert faults(succeeds="R") == []
    assert faults(succeeds="A") == ["claim A: succeeds=A, must be a retired claim"]
    assert faults(succeeds="Q") == ["claim A: succeeds=Q, must be a retired claim"]


def test_a_claim_of_existence_has_no_alternative() -> None:
    assert "a claim of existence has none" in faults(alternative=Prediction(1.0, 0.5, "one", "instance"))[0]
