"""Test that a verdict depends only on where the interval lies relative to the tolerance."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poly.press.claims import Claim, Prediction, verdicts


def claim(alternative: Prediction | None = None) -> Claim:
    return Claim("C9", "s", Prediction(1.0, 0.5, "p"), alternative, "t", "03", "open", True, "2026-01-02", 2)


ELSE = Prediction(3.0, 0.25, "else")


@pytest.mark.parametrize(
    ("low", "high", "alone", "beside_an_alternative"),
    [
        (0.9, 1.1, "confirmed", "confirmed"),
        (0.5, 1.5, "confirmed", "confirmed"),  # the edges belong to the tolerance
        (1.0, 1.0, "confirmed", "confirmed"),
        (0.4, 1.1, "open", "open"),
        (0.9, 1.6, "open", "open"),
        (0.0, 9.0, "open", "open"),
        (1.5, 1.7, "open", "open"),  # touches
        (0.1, 0.5, "open", "open"),
        (1.6, 1.7, "refuted", "refuted"),
        (0.1, 0.4, "refuted", "refuted"),
        (2.75, 3.25, "refuted", "refined"),
        (2.7, 3.0, "refuted", "refuted"),
        (3.0, 3.3, "refuted", "refuted"),
    ],
)
def test_verdicts(low: float, high: float, alone: str, beside_an_alternative: str) -> None:
    assert verdicts.verdict(claim(), low, high) == alone
    assert verdicts.verdict(claim(ELSE), low, high) == beside_an_alternative


@pytest.mark.parametrize(
    ("low", "high", "identity", "replication"),
    [(0.9, 1.1, "holds", "agrees"), (0.4, 1.1, "open", "open"), (1.6, 1.7, "broken", "differs")],
)
def test_each_kind_has_its_own_verdicts(low: float, high: float, identity: str, replication: str) -> None:
    assert verdicts.verdict(claim()._replace(kind="identity"), low, high) == identity
    assert verdicts.verdict(claim()._replace(kind="replication"), low, high) == replication
    assert verdicts.verdict(claim()._replace(kind="exploration"), low, high) == "measured"


def test_an_alternative_refines_predictions_alone() -> None:
    assert verdicts.verdict(claim(ELSE)._replace(kind="replication"), 2.9, 3.1) == "differs"


@pytest.mark.parametrize(("count", "expected"), [(0, "open"), (1, "confirmed"), (40, "confirmed")])
def test_one_verified_instance_decides_a_claim_of_existence(count: int, expected: str) -> None:
    existence = claim()._replace(prediction=Prediction(1.0, 0.5, "at least one", "instance"))
    assert verdicts.verdict(existence, count, count) == expected


@given(st.floats(-5, 5), st.floats(0, 5))
def test_an_alternative_changes_a_refutation_at_most(low: float, width: float) -> None:
    alone, beside = verdicts.verdict(claim(), low, low + width), verdicts.verdict(claim(ELSE), low, low + width)
    assert alone == beside or (alone, beside) == ("refuted", "refined")


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 0.9), (math.nan, 1.0), (0.5, math.nan), (-math.inf, 1), (0.5, math.inf)]
)
def test_a_bad_interval_has_no_verdict(low: float, high: float) -> None:
    with pytest.raises(ValueError, match=r"^claim C9: interval \[.*\] must be finite with low ≤ high$"):
        verdicts.verdict(claim(), low, high)


@pytest.mark.parametrize(
    ("low", "high", "is_inside"),
    [(0.5, 1.5, True), (0.4999, 1.5, False), (0.5, 1.5001, False), (1.0, 1.0, True), (2.0, 3.0, False)],
)
def test_the_edges_belong_to_the_tolerance(low: float, high: float, is_inside: bool) -> None:
    assert verdicts.inside(Prediction(1.0, 0.5, "p"), low, high) is is_inside
