import re
from typing import Any

import numpy as np
import pytest

from poly.press import figures
from poly.press.figures import figure_data
from poly.press.figures.figure_data import FigureData
from poly.press.figures.figure_differences import differences, moves
from poly.press.figures.levels import Rule, Series

SERIES = {"x": np.array([1.0, np.nan, -3.0]), "k": np.array([[1, 2], [3, 4]]), "one": np.array(0.1)}


def data(level: Any = "rounding", tolerance: float = 1e-6, **series: Any) -> FigureData:
    return figure_data.unpack(figure_data.pack(series or SERIES, level, tolerance))


def test_the_same_numbers_differ_in_nothing() -> None:
    for level in ("exact", "rounding"):
        assert differences(data(level), data(level)) == []


@pytest.mark.parametrize(
    ("level", "before", "after", "message"),
    [
        ("exact", [1.0, 2.0], [1.0, 2.0 + 1e-15], r"'x'\[1\]: stored 2, now 2, must be the same \(exact\); 1 of 2"),
        ("rounding", [1.0, 200.0], [1.0 + 9e-7, 200.0001], ""),
        ("rounding", [1.0, 200.0], [1.0 + 3e-4, 200.0], r"'x'\[0\]: stored 1, now 1.0003, allowed are ±1e-06 of it"),
        ("rounding", [1.0, 1e-8], [1.0, 1.01e-8], r"'x'\[1\]: stored 1e-08, now 1.01e-08, allowed are"),
        ("rounding", [1.0, 1e-16], [1.0, -1e-16], ""),
        ("rounding", [1.0, np.nan], [1.0, np.nan], ""),
        ("rounding", [1.0, np.nan], [1.0, 2.0], r"'x'\[1\]: stored nan, now 2"),
        ("rounding", [1.0, 2.0], [np.nan, 2.0], r"'x'\[0\]: stored 1, now nan"),
        ("rounding", [1, 2], [1, 3], r"'x'\[1\]: stored 2, now 3, must be the same \(whole number\)"),
        ("rounding", [True], [False], r"'x'\[0\]: stored 1, now 0, must be the same"),
        ("rounding", [1.0], [1.0, 2.0], r"series 'x' had type and shape f\[1\], has f\[2\]"),
        ("rounding", [1.0], [1], r"series 'x' had type and shape f\[1\], has i\[1\]"),
        ("rounding", [[1.0, 2.0]], [[1.0, 3.0]], r"series 'x'\[0\]\[1\]: stored 2, now 3"),
        ("rounding", [0.0], [1e-300], r"stored 0, now 1e-300, allowed are ±1e-06 of it"),
        ("exact", [2**53], [2**53 + 1], r"must be the same \(whole number\)"),
    ],
)  # fmt: skip
def test_differences(level: Any, before: Any, after: Any, message: str) -> None:
    found = differences(data(level, x=before), data(level, x=after))
    assert len(found) == bool(message)
    assert all(re.search(message, line) for line in found), found


def over(networks: Any, **series: Any) -> FigureData:
    """Make a figure with one statistical series, over these networks."""
    return figure_data.unpack(figure_data.pack({"x": figure_data.statistical(networks), **series}, "rounding"))


NETWORKS = np.random.default_rng(1).normal(5, 1, (16, 3))


def test_a_network_that_rounding_sent_another_way_is_no_difference() -> None:
    other = NETWORKS.copy()
    other[3, 1] += 2.0
    assert differences(over(NETWORKS), over(other)) == []
    assert differences(over(NETWORKS), over(NETWORKS + 1e-12)) == []


def test_shifts_are_found_singly_and_pooled() -> None:
    error = NETWORKS.std(0, ddof=1) / 4
    other = NETWORKS.copy()
    other[:, 1] += 8 * error[1]
    (single,) = differences(over(NETWORKS), over(other))
    assert single.startswith("series 'x'[1]: stored")
    assert single.endswith("(statistical); 1 of 3 numbers differ")
    (pooled,) = differences(over(NETWORKS), over(NETWORKS + 3 * error))
    assert pooled.startswith("series 'x': on average its numbers moved by +3 standard errors")
    (scattered,) = differences(over(NETWORKS), over(NETWORKS + [3, -3, 3] * error))
    assert scattered.startswith("series 'x': the root mean square of its moves is +3 standard errors")


def test_a_mean_that_is_not_that_of_its_networks_is_found() -> None:
    packed = over(NETWORKS)
    for name in ("x", "x_se"):
        damaged = packed._replace(series=packed.series | {name: packed.series[name] * 1.001})
        assert differences(packed, damaged) == [f"series {name!r}, new: is not that of its networks"]


def test_a_mean_that_appears_is_found() -> None:
    gone = NETWORKS.copy()
    gone[:, 2] = np.nan
    (line,) = differences(over(gone), over(NETWORKS))
    assert line.startswith("series 'x'[2]: stored nan, now ")


def test_a_difference_says_whether_perturbation_explains_it() -> None:
    stored, new = data(x=[1.0, 2.0]), data(x=[1.0, 2.5])
    assert moves(stored, new)["x"][0] == 0.5
    (line,) = differences(stored, new, {"x": 0.3})
    assert line.endswith("; perturbation explains it: it moved the series by up to 0.3")
    (line,) = differences(stored, new, {"x": 1e-9})
    assert line.endswith("; perturbation does not explain it: it moved the series by at most 1e-09")
    (line,) = differences(stored, new)
    assert line.endswith("1 of 2 numbers differ")


def test_a_series_may_have_a_rule_of_its_own() -> None:
    loose: dict[str, Any] = {"x": figures.rounding([1.0, 2.0], 1e-3), "y": [1.0]}
    moved: dict[str, Any] = {"x": figures.rounding([1.0005, 2.0], 1e-3), "y": [1.0]}
    stored, new = (figure_data.unpack(figure_data.pack(each, "rounding")) for each in (loose, moved))
    assert differences(stored, new) == []
    plain = figure_data.unpack(figure_data.pack({"x": [1.0, 2.0], "y": [1.0]}, "exact"))
    assert differences(plain, plain._replace(own=stored.own)) == [
        "series 'x' was declared otherwise: must be the same (exact); is: allowed are ±0.001 of it (rounding)"
    ]


def test_lost_and_added_series_and_another_level_are_differences() -> None:
    found = differences(data("exact", x=[1.0]), data("rounding", y=[1.0]))
    assert found == ["level was exact, is rounding", "series 'x' is gone", "series 'y' is new"]


def test_an_absolute_error_may_be_allowed_besides() -> None:
    def loose(*values: float) -> FigureData:
        return data(x=figures.rounding(values, absolute=0.005))

    assert differences(loose(0.001, 1.0), loose(-0.003, 1.0049)) == []
    (line,) = differences(loose(0.001, 1.0), loose(0.001, 1.01))
    assert "stored 1, now 1.01, allowed are ±1e-06 of it ± 0.005 (rounding)" in line
    with pytest.raises(ValueError, match=r"^absolute=-1, must be a finite number ≥ 0$"):
        data(x=figures.rounding([1.0], absolute=-1))


def shown(networks: Any, other: Any) -> FigureData:
    packed = figure_data.pack({"x": figure_data.statistical(networks, other)}, "rounding")
    return figure_data.unpack(packed)


def test_what_is_shown_of_networks_depends_on_nothing_else() -> None:
    """Check that an interval may move, by twice what the mean may, only at points where a network moved."""
    bounds = np.stack([NETWORKS.mean(0), NETWORKS.min(0), NETWORKS.max(0)], -1)
    stored = shown(NETWORKS, bounds)
    assert differences(stored, shown(NETWORKS, bounds)) == []
    (line,) = differences(stored, shown(NETWORKS, 1.001 * bounds))
    assert "allowed are ±1e-06 of it (rounding)" in line
    moved = NETWORKS.copy()
    moved[0, 0] += 0.1
    first = np.array([[1.0], [0.0], [0.0]])  # the point at which a network moved
    assert differences(stored, shown(moved, bounds + 0.01 * first)) == []
    (line,) = differences(stored, shown(moved, bounds + 100 * first))
    assert "(statistical)" in line
    (line,) = differences(stored, shown(moved, bounds + 0.01))
    assert "as its networks are as before" in line
    # What rounding leaves where no network came out otherwise, it may leave in what is shown of them.
    rounded = NETWORKS * (1 + 5e-6)
    assert differences(stored, shown(rounded, bounds * (1 + 8e-6))) == []
    assert len(differences(stored, shown(rounded, bounds * (1 + 1e-3)))) == 1


def test_a_number_that_hangs_on_networks_may_move_with_them() -> None:
    def both(networks: Any, value: float) -> FigureData:
        series = {"x": figure_data.statistical(networks), "y": Series([value], Rule("rounding", redrawn=0.5))}
        return figure_data.unpack(figure_data.pack(series, "rounding"))

    moved = NETWORKS.copy()
    moved[0, 0] += 0.1
    stored = both(NETWORKS, 1.0)
    assert differences(stored, both(moved, 1.4)) == []
    assert len(differences(stored, both(moved, 1.6))) == 1
    assert len(differences(stored, both(NETWORKS, 1.4))) == 1
    share = moves(stored, both(moved, 1.4))["y"][1]
    assert abs(share - 0.8) < 1e-4


def test_a_mean_that_is_not_shown_may_move_no_further_than_one_that_is() -> None:
    bounds = np.stack([NETWORKS.min(0), NETWORKS.max(0)], -1)
    stored = shown(NETWORKS, bounds)
    moved = NETWORKS.copy()
    moved[:, 1] += 8 * NETWORKS[:, 1].std(ddof=1) / 4  # eight standard errors of 16 networks
    (line,) = differences(stored, shown(moved, bounds))
    assert re.match(
        r"series 'x'\[1\]: the mean of its networks moved by \+.*, allowed are ±.*; 1 of 3 means differ", line
    )
