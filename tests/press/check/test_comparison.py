from typing import Any

import pytest

from notebooks import notebook
from poly.press import figures
from poly.press.chapters import PressError
from poly.press.check.comparison import changed_texts, compare, moves
from poly.press.figures import figure_data


def test_two_equal_runs_differ_in_nothing_but_addresses() -> None:
    other = notebook()
    other.cells[0].outputs[0].text = other.cells[0].outputs[0].text.replace("7f00", "8a01")
    assert compare(notebook(), other).faults == []


def test_lines_cards_and_figures_are_compared() -> None:
    assert compare(notebook(), notebook("13")).faults == [
        "cell 1 says '13', and said '12': 12 moved by +1, must be the same (exact)"
    ]
    card, figure = compare(notebook(), notebook(value=1.5)).faults
    assert card.startswith("claim A: ")
    assert figure.startswith("fig-a, series 'y'[0]: stored 1, now 1.5, allowed are ±0.001 of it (rounding)")
    assert compare(notebook(), notebook(verdict="open")).faults[0].startswith("claim A: ")


def test_a_fault_of_a_text_says_whether_perturbation_explains_it() -> None:
    assert changed_texts(notebook(), notebook()) == []
    assert changed_texts(notebook(), notebook("13")) == ["one"]
    (line,) = compare(notebook(), notebook("13"), texts=["one"]).faults
    assert line.endswith("(exact); perturbation explains it: it changed the text of this cell, too")
    for line in compare(notebook(), notebook("13", verdict="open"), texts=[]).faults:
        assert line.endswith("; perturbation does not explain it: it never changed the text of this cell")


def test_what_holds_is_counted() -> None:
    found = compare(notebook(), notebook("13", value=1.5))
    assert (found.cells, found.claims, found.figures) == ((0, 1), (0, 1), (0, 1))
    assert compare(notebook(), notebook())[1:] == ((1, 1), (1, 1), (1, 1))


def test_text_may_have_another_level_on_small_grids() -> None:
    one, other = notebook(), notebook("13")
    one.cells[0].metadata["poly"]["text"] = {"absolute": 0.5, "small": {"absolute": 2}}
    assert compare(one, other, small=True).faults == []
    (fault,) = compare(one, other).faults
    assert fault == "cell 1 says '13', and said '12': 12 moved by +1, allowed are ±1e-06 of it ± 0.5 (rounding)"


def test_text_and_cards_may_have_the_next_last_digit_on_small_grids() -> None:
    one, other = notebook("0.12", value=1.0), notebook("0.13", value=1.0)
    assert compare(one, other, small=True).faults == []
    assert compare(one, other).faults == [
        "cell 1 says '0.13', and said '0.12': 0.12 moved by +0.01, must be the same (exact)"
    ]
    (fault,) = compare(one, notebook("0.14"), small=True).faults
    assert "moved by +0.02" in fault


def test_a_figure_may_have_another_level_on_small_grids() -> None:
    one, other = notebook(), notebook(value=1.5)
    one.cells[0].metadata["poly"]["figure"] = {"small": {"absolute": 0.6}}
    assert not [line for line in compare(one, other, small=True).faults if line.startswith("fig-a")]
    assert [line for line in compare(one, other).faults if line.startswith("fig-a")]
    shares = [moves(one, other, small=small)["fig-a"]["y"][1] for small in (True, False)]
    assert shares[0] < 1 < shares[1]
    wrong: Any
    for wrong in ({"small": {}}, {"absolute": 1}, {"small": {"absolute": -1}}, 5):
        one.cells[0].metadata["poly"]["figure"] = wrong
        with pytest.raises(PressError, match="must name tolerance or absolute for small grids"):
            compare(one, other, small=True)


def test_a_verdict_must_be_the_same_at_any_level() -> None:
    one, other = notebook(), notebook(verdict="open")
    one.cells[0].metadata["poly"]["text"] = {"absolute": 100}
    assert compare(one, other).faults == ["claim A: was 1.0 (0.5 to 2.5), confirmed, is 1.0 (0.5 to 2.5), open"]


def test_moves_are_told_with_their_share_of_what_is_allowed() -> None:
    (size, share) = moves(notebook(), notebook(value=1.0005))["fig-a"]["y"]
    assert abs(size - 5e-4) < 1e-12
    assert abs(share - 0.5) < 1e-6


def test_a_claim_or_figure_that_is_gone_is_told() -> None:
    one, other = notebook(), notebook()
    other.cells[0].outputs = other.cells[0].outputs[:1]
    assert compare(one, other).faults == [
        "cell 1 no longer says 'f'",
        "claim A: is not checked",
        "fig-a, was not drawn",
    ]
    assert moves(one, other) == {}


def test_only_the_numbers_of_a_card_may_differ() -> None:
    """Check that all other fields of a card must be equal, although its id and fingerprint hold digits, too."""
    one, other = notebook(), notebook(verdict="confirmed")
    for made, entry, measured in ((one, "64f446e553", 1.0), (other, "64f446e553", 1.1)):
        made.cells[0].metadata["poly"]["text"] = {"absolute": 0.5}
        made.cells[0].outputs[2].metadata["poly"]["claim"] |= {"entry": entry, "measured": measured}
    assert compare(one, other).faults == []
    other.cells[0].outputs[2].metadata["poly"]["claim"]["seeds"] = 4
    assert len(compare(one, other).faults) == 1


def test_on_small_grids_an_absolute_error_of_a_series_is_as_wide_as_the_figure_says() -> None:
    one, other = notebook(), notebook()
    for made, value in ((one, 1.0), (other, 1.4)):
        data = {"y": figures.rounding([value], absolute=0.1), "edge": figures.rounding([1.0])}
        made.cells[0].outputs[1].metadata["poly"]["figure"]["data"] = figure_data.pack(data, "rounding")
    one.cells[0].metadata["poly"]["figure"] = {"small": {"absolute": 0.5}}
    assert not [line for line in compare(one, other, small=True).faults if line.startswith("fig-a")]
    assert [line for line in compare(one, other).faults if line.startswith("fig-a")]
