"""Test the p-values of verdicts."""

from typing import Any

import pytest
from scipy import stats

from poly.press.claims import Prediction, p_values
from press.claims.test_forest import claim

CLAIM = claim(1.0, 0.5)
RECORD = {"id": "C9", "measured": 1.1, "low": 1.0, "high": 1.2, "interval": "95 % interval", "verdict": "confirmed"}


@pytest.mark.parametrize(
    ("changes", "z"),
    [
        ({}, 4 * 1.96),  # 0.4 from the nearer edge, half width 0.1
        ({"verdict": "agrees"}, 4 * 1.96),
        ({"measured": 0.7, "low": 0.6, "high": 0.9}, 2 * 1.96),  # 0.2 from the lower edge, half width 0.1 on that side
        ({"verdict": "refuted", "measured": 1.9, "low": 1.7, "high": 2.0}, 2 * 1.96),
        ({"verdict": "differs", "measured": 1.9, "low": 1.7, "high": 2.0}, 2 * 1.96),
        ({"verdict": "refined", "measured": 0.1, "low": 0.0, "high": 0.2}, 4 * 1.96),
    ],
)
def test_the_p_value_is_of_the_distance_to_the_edge_in_standard_errors(changes: dict[str, Any], z: float) -> None:
    assert p_values.p_value(CLAIM, RECORD | changes) == pytest.approx(stats.norm.sf(z), rel=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "open"},
        {"verdict": "measured"},
        {"interval": "range of repetitions"},
        {"low": 1.1, "high": 1.1, "interval": "exact"},
    ],
)
def test_without_statistics_there_is_no_p_value(changes: dict[str, Any]) -> None:
    assert p_values.p_value(CLAIM, RECORD | changes) is None


def test_a_claim_of_existence_has_no_p_value() -> None:
    assert p_values.p_value(claim(prediction=Prediction(1.0, 0.5, "one", "instance")), RECORD) is None


def test_false_verdicts_are_expected_by_their_number() -> None:
    refuted = RECORD | {"id": "D", "verdict": "refuted", "measured": 1.9, "low": 1.8, "high": 2.0}
    undecided = RECORD | {"id": "E", "verdict": "measured"}
    exact = RECORD | {"id": "F", "verdict": "holds", "low": 1.1, "high": 1.1, "interval": "exact"}
    ledger = dict.fromkeys("DEF", CLAIM) | {"C9": CLAIM}
    text = p_values.errors(ledger, [RECORD, refuted, undecided, exact])
    assert "3 claims are decided. 2 of these verdicts rest on" in text
    assert "at most 0.075 of them are expected to be false" in text
    assert "2 of the 2 stand after Holm’s adjustment" in text
    small = "<td>&lt; 0.0001</td>"
    assert f'<a href="#ledger-D">D</a></th><td>refuted</td>{small}{small}</tr>' in text
    assert "Holm" not in p_values.errors(ledger, [exact])


def test_a_narrower_interval_counts_as_such() -> None:
    ninety = RECORD | {"interval": "90 % interval"}
    assert p_values.p_value(CLAIM, ninety) == pytest.approx(stats.norm.sf(4 * 1.645), rel=1e-2)
    assert "at most 0.05 of them are expected" in p_values.errors({"C9": CLAIM}, [ninety])
