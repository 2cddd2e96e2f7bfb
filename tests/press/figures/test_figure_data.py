import base64
import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from poly.press.figures import figure_data
from poly.press.figures.levels import Rule

SERIES = {"x": np.array([1.0, np.nan, -3.0]), "k": np.array([[1, 2], [3, 4]]), "one": np.array(0.1)}


def test_packed_numbers_come_back_bit_for_bit() -> None:
    found = figure_data.unpack(figure_data.pack(SERIES, "exact"))
    assert found.rule == Rule("exact")
    assert found.series.keys() == SERIES.keys()
    for name, values in SERIES.items():
        assert found.series[name].dtype == values.dtype
        np.testing.assert_array_equal(found.series[name], values)


def test_equal_numbers_give_equal_bytes_and_numpy_reads_them() -> None:
    assert figure_data.npz(SERIES) == figure_data.npz({name: values.copy() for name, values in SERIES.items()})
    with np.load(io.BytesIO(figure_data.npz(SERIES))) as archive:
        assert archive.files == list(SERIES)


def test_lists_of_one_length_are_the_columns_of_a_table() -> None:
    found = pd.read_csv(io.StringIO(figure_data.csv({"t": np.array([0.1, 0.2]), "n": np.array([1, 2])})))
    assert found.to_dict("list") == {"t": [0.1, 0.2], "n": [1, 2]}


def test_other_shapes_have_a_row_for_each_number() -> None:
    table = pd.read_csv(io.StringIO(figure_data.csv(SERIES)))
    assert list(table.columns) == ["series", "index_0", "index_1", "value"]
    assert len(table) == 3 + 4 + 1
    (found,) = table[(table.series == "k") & (table.index_0 == 1) & (table.index_1 == 0)].value
    assert found == 3
    assert table[table.series == "one"].value.item() == 0.1


@pytest.mark.parametrize(
    ("series", "level", "tolerance", "message"),
    [
        ({}, "exact", 1e-6, r"data={}, must map names to the plotted numbers"),
        ([1, 2], "exact", 1e-6, "must map names"),
        ({"x": ["a"]}, "exact", 1e-6, "series 'x' has type <U1 and shape .1,., must be numbers"),
        ({"x": []}, "exact", 1e-6, "series 'x' has type float64 and shape .0,."),
        ({"x": [np.inf]}, "exact", 1e-6, "series 'x' holds infinity"),
        ({"x": [1]}, "roughly", 1e-6, "level='roughly', must be one of exact, rounding, statistical"),
        ({"x": [1]}, "rounding", 0.0, "tolerance=0.0, must be a number > 0 and < 1"),
    ],
)
def test_what_cannot_be_packed(series: Any, level: str, tolerance: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figure_data.pack(series, level, tolerance)


GOOD = figure_data.pack(SERIES, "exact")


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (None, "has no plotted numbers"),
        ({}, "has no plotted numbers"),
        (GOOD | {"level": "sure"}, "level='sure', must be one of"),
        (GOOD | {"npz": "???"}, "its plotted numbers are damaged"),
        (GOOD | {"npz": GOOD["npz"][: len(GOOD["npz"]) // 2]}, "its plotted numbers are damaged"),
        (GOOD | {"npz": base64.b64encode(b"no archive").decode()}, "its plotted numbers are damaged"),
        ({name: value for name, value in GOOD.items() if name != "tolerance"}, "its plotted numbers are damaged"),
    ],
)
def test_damage_is_seen(packed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        figure_data.unpack(packed)


NETWORKS = np.random.default_rng(1).normal(5, 1, (16, 3))


def test_a_statistical_series_is_kept_with_its_error_and_its_networks() -> None:
    found = figure_data.unpack(figure_data.pack({"x": figure_data.statistical(NETWORKS)}, "rounding"))
    assert found.rule_of("x") == Rule("statistical")
    np.testing.assert_allclose(found.series["x"], NETWORKS.mean(0))
    np.testing.assert_allclose(found.series["x_se"], NETWORKS.std(0, ddof=1) / 4)
    np.testing.assert_array_equal(found.series["x_networks"], NETWORKS)


def test_statistical_needs_networks() -> None:
    with pytest.raises(ValueError, match=r"networks: has shape \(1, 3\), must have two or more networks"):
        figure_data.statistical(NETWORKS[:1])
    with pytest.raises(ValueError, match=r"^shown: has shape \(1,\), must be \(\d+,\), or that and one more axis$"):
        figure_data.statistical(NETWORKS, [1.0])
    with pytest.raises(ValueError, match=r"^level='statistical', must be said of each series"):
        figure_data.pack({"x": [1.0]}, "statistical")
