"""Numbers and predictions in words, as readers see them."""

from typing import Any

import pytest

from poly.press.claims import Prediction, wording
from press.claims.test_verdicts import ELSE, claim


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [(0.125, 2, "0.12"), (-0.5, 2, "−0.50"), (3.0, 0, "3"), (0.0, 4, "0.0000"), (0.0, 5, "0 (to 5 decimals)")],
)
def test_a_number(value: float, digits: int, written: str) -> None:
    assert wording.number(value, digits) == written


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, "1.2 (95 % interval −1.0 to 1.4)"),
        ({"interval": "range of 5 runs"}, "1.2 (range of 5 runs −1.0 to 1.4)"),
        ({"low": 1.2, "high": 1.2, "interval": "exact"}, "1.2"),
    ],
)
def test_a_measurement(changes: dict[str, Any], written: str) -> None:
    record = {"measured": 1.2, "low": -1.0, "high": 1.4, "interval": "95 % interval"} | changes
    assert wording.measurement(record, 1) == written


def test_a_record_from_before_intervals_had_names() -> None:
    assert wording.measurement({"measured": 1, "low": 0, "high": 2}, 0) == "1 (interval 0 to 2)"


@pytest.mark.parametrize(
    ("tolerance", "written"),
    [
        (0.5, "±0.5"),
        (1e-4, "±0.0001"),
        (1e-5, "±10⁻⁵"),
        (1e-10, "±10⁻¹⁰"),
        (2.5e-7, "±2.5 · 10⁻⁷"),
        (10.0, "±10"),
    ],
)
def test_a_tolerance(tolerance: float, written: str) -> None:
    assert wording.predicted(Prediction(1.0, tolerance, "one")) == f"one (tolerance {written})"


@pytest.mark.parametrize("says", ["0.9 to 1.1", "below 3", "2 or more", "at most 7"])
def test_words_that_are_a_range_need_no_tolerance(says: str) -> None:
    assert wording.predicted(Prediction(1.0, 0.5, says)) == says


def test_an_alternative_follows_the_prediction() -> None:
    assert wording.predicted_or_else(claim()) == "p (tolerance ±0.5)"
    assert wording.predicted_or_else(claim()._replace(kind="exploration")) == "nothing: found by looking"
    assert wording.predicted_or_else(claim(ELSE)) == "p (tolerance ±0.5), or else else (tolerance ±0.25)"


@pytest.mark.parametrize(
    ("found", "form", "text"),
    [
        ((0.264, 0.24, 0.271), "{:.2f}", "0.26 (0.24 to 0.27)"),
        ((-0.5, -0.66, -0.31), "{:.1f}", "−0.5 (−0.7 to −0.3)"),
        ((0.0, 0.0, 0.00582), "{:.2f}", "0 (0 to 0.006)"),
        ((0.0, 0.0, 33.73), "{:.1f}", "0 (0 to 33.7)"),
        ((0.0, -0.1, 0.1), "{:.1f}", "0.0 (−0.1 to 0.1)"),
        ((1.0, 1.0, 1.0), "{:.2f}", "1.00 in all"),
        ((12.34, 11.9, 12.8), "{:.3g} %", "12.3 % (11.9 % to 12.8 %)"),
    ],
)
def test_an_interval_in_a_sentence(found: tuple[float, float, float], form: str, text: str) -> None:
    assert wording.interval(found, form) == text


@pytest.mark.parametrize(
    ("found", "text"),
    [((12, 11, 14), "12 % (11 to 14)"), ((0, 0, 0.3), "0 % (0 to 0.3)"), ((100, 100, 100), "100 % in all")],
)
def test_a_unit_stands_behind_the_number(found: tuple[float, float, float], text: str) -> None:
    assert wording.interval(found, "{:.0f}", " %") == text
