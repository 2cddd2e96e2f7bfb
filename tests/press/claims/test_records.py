"""Test records: the verdict uses the numbers as measured, and the record stores them as shown."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poly.press.claims import entries, records, verdicts
from press.claims.test_verdicts import ELSE, claim


def recorded(measured: float, low: float, high: float, interval: str = "95 % interval") -> records.Record:
    return records.record(claim(ELSE), measured, low, high, seeds=5, interval=interval)


def test_it_holds_the_claim_and_the_measurement() -> None:
    assert recorded(2.999, 2.7501, 3.2) == {
        "id": "C9", "statement": "s", "chapter": "03", "predicted": 1.0, "measured": 3.0, "low": 2.75, "high": 3.2,
        "verdict": "refined", "seeds": 5, "blind": True, "interval": "95 % interval",
        "entry": entries.fingerprint(claim(ELSE)), "amended": "",
    }  # fmt: skip


@given(st.floats(-5, 5), st.floats(0.02, 5))
def test_the_verdict_is_of_the_interval_as_measured(low: float, width: float) -> None:
    found = recorded(low, low, low + width)
    assert found["verdict"] == verdicts.verdict(claim(ELSE), low, low + width)
    assert (found["low"], found["high"]) == (round(low, 2), round(low + width, 2))


def test_zero_has_no_sign() -> None:
    found = recorded(-0.001, -0.004, 1.0)
    assert [math.copysign(1, found[key]) for key in ("measured", "low", "high")] == [1, 1, 1]


def test_an_interval_without_width_is_exact() -> None:
    assert recorded(1.0, 1.0, 1.0)["interval"] == "exact"
    assert recorded(1.0, 0.9999, 1.0001)["interval"] == "exact"  # so narrow that nothing is lost
    assert recorded(1.0, 0.9951, 1.0049, interval="range of 5 runs")["interval"] == "exact"


def test_an_interval_that_rounding_hides_is_told_from_one_without_width() -> None:
    hidden = recorded(1.0, 0.9951, 1.0049)
    assert hidden["low"] == hidden["high"] == 1.0
    assert hidden["interval"] != "exact"
    assert records.is_hidden(hidden)
    assert not records.is_hidden(recorded(1.0, 0.9949, 1.0049))
    assert not records.is_hidden(recorded(1.0, 1.0, 1.0))
    assert not records.is_hidden(recorded(1.0, 0.9951, 1.0049, interval="range of 5 runs"))


@pytest.mark.parametrize(
    ("measured", "low", "high", "line"),
    [
        (0.8, 0.9, 1.1, r"measured 0\.8 must lie in its interval \[0\.9, 1\.1\]"),
        (math.nan, 0.9, 1.1, r"measured nan must lie in its interval \[0\.9, 1\.1\]"),
        (1.0, -math.inf, 1.1, r"interval \[-inf, 1\.1\] must be finite with low ≤ high"),
    ],
)
def test_what_is_no_measurement_is_refused(measured: float, low: float, high: float, line: str) -> None:
    with pytest.raises(ValueError, match=rf"^claim C9: {line}$"):
        recorded(measured, low, high)
