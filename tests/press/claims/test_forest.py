"""Pictures of claims: the margin has the same width in all, and only an arrow shows what lies beyond the axis."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poly.press.claims import Claim, Prediction
from poly.press.claims.forest import MOST, WIDTH, Band, forest, words

NUMBERS = st.floats(-1e6, 1e6)
UNIT = 17.5  # a margin in the picture
LEFT, RIGHT = WIDTH / 2 - MOST * UNIT, WIDTH / 2 + MOST * UNIT


def claim(value: float = 1.0, tolerance: float = 0.1, **changes: Any) -> Claim:
    prediction = Prediction(value, tolerance, "one", "derived", "for a test")
    entry = Claim("C9", "s", prediction, None, "t", "01-one", "confirmed", True, "2026-01-02", 2)
    return entry._replace(**changes)


def record(low: float, measured: float, high: float) -> dict[str, Any]:
    return {"low": low, "measured": measured, "high": high, "interval": "95 % interval"}


def test_a_picture() -> None:
    found = forest(claim(), record(0.8, 0.9, 1.05))
    assert found.bands == [Band("predicted", 62.5, 35.0, 80.0)]
    assert found.interval == (45.0, 88.75)
    assert found.dot == 62.5
    assert found.arrows == []
    assert found.words == "predicted: one (tolerance ±0.1); measured: 0.90 (95 % interval 0.80 to 1.05)"


@given(NUMBERS, st.floats(1e-12, 1e6), st.lists(NUMBERS, min_size=3, max_size=3).map(sorted))
def test_the_margin_is_equally_wide_and_all_lies_on_the_axis(value: float, tolerance: float, ends: list[float]) -> None:
    found = forest(claim(value, tolerance), record(*ends))
    assert found.bands == [Band("predicted", WIDTH / 2 - UNIT, 2 * UNIT, WIDTH / 2)]
    low, measured, high = ((end - value) / tolerance for end in ends)
    assert ("left" in found.arrows, "right" in found.arrows) == (low < -MOST, high > MOST)
    assert (found.dot is None) == (abs(measured) > MOST)
    if found.dot is not None:
        assert found.dot == pytest.approx(WIDTH / 2 + UNIT * measured, abs=0.01)
    if found.interval:
        assert LEFT <= found.interval[0] <= found.interval[1] <= RIGHT
        assert found.dot is None or found.interval[0] <= found.dot <= found.interval[1]
    else:
        assert low == high or low > MOST or high < -MOST


def test_a_measurement_far_beyond_is_an_arrow_alone() -> None:
    found = forest(claim(), record(-9.0, -8.0, -7.0))
    assert (found.interval, found.dot, found.arrows) == (None, None, ["left"])


def test_an_exact_measurement_is_a_dot_alone() -> None:
    found = forest(claim(0.0, 1e-10), record(0.0, 0.0, 0.0))
    assert (found.interval, found.dot, found.arrows) == (None, WIDTH / 2, [])


def test_nothing_is_measured_yet() -> None:
    found = forest(claim(), None)
    assert (len(found.bands), found.interval, found.dot, found.arrows) == (1, None, None, [])
    assert found.words == "predicted: one (tolerance ±0.1); not measured yet"


@pytest.mark.parametrize(
    ("value", "bands"),
    [
        (1.2, [Band("alternative", 106.25, 17.5, 115.0)]),
        (1.42, [Band("alternative", 144.75, 5.25, None)]),  # its margin reaches into the picture
        (9.0, []),
    ],
)
def test_an_alternative_shows_as_far_as_it_lies_on_the_axis(value: float, bands: list[Band]) -> None:
    entry = claim(alternative=Prediction(value, 0.05, "else", "derived", "for a test"))
    assert forest(entry, None).bands[1:] == bands
    assert "; or else: else (tolerance ±0.05);" in words(entry, None)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_an_exploration_shows_its_interval_alone_at_one_width(scale: float) -> None:
    entry = claim(kind="exploration")
    found = forest(entry, record(4 * scale, 5 * scale, 5.5 * scale))
    assert found.bands == []
    assert found.interval == pytest.approx((62.5, 88.75))
    assert found.words.startswith("measured: ")
    assert forest(entry, record(5.0, 5.0, 5.0)).dot == WIDTH / 2
    assert forest(entry, None).words == "not measured yet"


def test_one_instance_and_more_are_as_good() -> None:
    entry = claim(prediction=Prediction(1.0, 0.5, "at least one run", "instance"))
    assert forest(entry, None).bands == [Band("predicted", 80.0, 70.0, 80.0)]
    assert words(entry, None) == "predicted: at least one run; not measured yet"
