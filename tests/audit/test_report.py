import sys

import numpy as np
import pytest

from poly.audit import report as reports
from poly.audit.report import Report


def make(gains: list[list[float]], *, noise: float = 0.0, live: list[bool] | None = None) -> Report:
    folded = np.repeat(np.array(gains, float)[None], 8, axis=0)
    folded = folded + noise * np.random.default_rng(0).standard_normal(folded.shape)
    alive = np.array(live if live is not None else [True] * len(gains))
    return reports.build_report(
        "hidden", -1, folded[:, alive], None, np.array(gains, float), live=alive, examples=100, seed=0
    )


def test_the_table_has_a_line_for_each_unit() -> None:
    found = make([[3, 1], [0, 2], [0, 0]], live=[True, True, False]).table
    assert found["serves"].tolist() == [0, 1, -1]
    assert found["live"].tolist() == [True, True, False]
    assert found["gain"].tolist() == [4, 2, 0]
    assert found["share"].tolist()[:2] == [0.75, 1]
    assert found["groups"].tolist()[:2] == pytest.approx([1.6, 1])


def test_impurity_is_withheld_where_it_says_nothing() -> None:
    assert make([[3, 1], [0, 2]]).withheld == ""
    negative = make([[3, -1], [0, 2]])
    assert negative.withheld == "16.7 % of the gains are negative, must be at most 5 %; more examples may help, " + (
        "and for classes a loss for each class: audit.class_losses"
    )
    assert np.isnan(negative.impurity.measured)
    assert "impurity withheld: 16.7 %" in negative.summary
    assert np.isnan(negative.nulls["permuted"].measured)
    assert "\ngains dealt to units" not in negative.summary
    assert "may be 0" in make([[0.01, 0], [0, 0.01]], noise=1).withheld
    assert "is below 0" in make([[-3, 0], [0, -3]]).withheld
    assert make([[0, 0]], live=[False]).withheld == "no unit is live"


def test_the_summary_says_what_was_done() -> None:
    words = make([[3, 1], [0, 2]]).summary
    assert words.startswith(
        "hidden: 2 units on axis -1, 2 of them live; 2 groups; 100 examples in 8 folds, seed 0\nimpurity 0.167 ("
    )
    assert "gains dealt to units at random" in words
    assert "negative gains: 0.0 %" in words
    assert "impurity from squares 0.071, gains dealt to units at random 0." in words


def test_squares_have_nulls_where_impurity_is_withheld() -> None:
    diagonal = [[3.0, -1.0, -1.0], [-1.0, 3.0, -1.0], [-1.0, -1.0, 3.0]]
    report = make(diagonal)
    assert report.withheld
    assert report.squares == pytest.approx(2 / 11)
    # A random stratified_folds gives each unit its own gain with a chance of a third for each group.
    assert report.squares < report.squares_nulls["permuted"] < 1
    assert "rotated" not in report.squares_nulls


def test_the_picture_shows_units_and_nulls() -> None:
    figure = make([[3, 1], [0, 2], [0, 0]], live=[True, True, False]).plot()
    left, right = figure.axes[:2]
    assert left.images[0].get_array().shape == (2, 2)
    assert [label.get_text() for label in right.get_xticklabels()] == ["measured", "permuted"]


def test_a_missing_matplotlib_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeError, match="matplotlib is not installed"):
        make([[3, 1], [0, 2]]).plot()
