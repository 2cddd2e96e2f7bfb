"""Test sliders over stored numbers: what a figure stores of them, and the element of the page."""

import json
import re
from typing import Any

import numpy as np
import pytest

from poly.press import chapters, figures
from poly.press.figures import figure_data, sliders
from poly.press.figures.sliders import Axis, Explore, Series
from poly.press.typeset.node import run as node

X, Y = Axis("m", [1, 10, 100], log=True), Axis("count", [0, 5, 10])


def slider(**changes: Any) -> Explore:
    series = {
        "flow": Series("points", "flow", [1, 10, 100], np.arange(18.0).reshape(2, 3, 3)),
        "law": Series("line", "theory", [[1, 2], [3, 4]], [[1.0, np.nan], [2.0, 1 / 3]]),
    }
    given: dict[str, Any] = {"label": "λ", "values": [0.1, 1], "x": X, "y": Y, "series": series}
    return Explore(**(given | changes))


def test_what_is_kept_is_words_and_numbers() -> None:
    about, numbers = slider().pack()
    assert about["values"] == ["0.1", "1"]
    assert about["x"] == {"label": "m", "log": True, "low": 1, "high": 100, "ticks": [1, 10, 100]}
    assert [each["name"] for each in about["series"]] == ["flow", "law"]
    assert numbers["explore_0"].shape == (2, 3, 4)
    np.testing.assert_array_equal(numbers["explore_1"][1], [[3, 2], [4, 1 / 3]])
    figure_data.pack(numbers, "rounding")
    json.dumps(about)


def test_the_page_gets_numbers_of_four_digits_and_no_markup() -> None:
    about, numbers = slider(label="</script><b>").pack()
    text = sliders.html(about, numbers, "fig-x")
    assert text.count("</script>") == 1
    told = json.loads(re.search(r"json\">(.*)</script>", text).group(1))  # type: ignore[union-attr]
    assert told["label"] == "</script><b>"
    assert told["series"][1]["frames"] == [[[1, 1], [2, None]], [[3, 2], [4, 0.3333]]]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"values": [1]}, "1 positions"),
        ({"start": 2}, "starts at 2"),
        ({"x": Axis("m", [0, 1], log=True)}, "axis 'm': goes from 0.0 to 1.0"),
        ({"y": Axis("c", [1])}, "must rise"),
        ({"series": {"a": Series("line", "flow", [1, 2], [[1, 2, 3], [1, 2, 3]])}}, "'a' has x"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        slider(**changes).pack()


def test_a_figure_keeps_its_slider(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(figures, "display", lambda data, raw, metadata: shown.append(metadata))
    fig, _ = figures.subplots()
    figures.show(fig, "fig-x", data={"a": [1]}, alt="A.", caption="A.", level="exact", explore=slider())
    figure = shown[0]["poly"]["figure"]
    assert figure["explore"]["label"] == "λ"
    assert set(figure_data.unpack(figure["data"]).series) == {"a", "explore_0", "explore_1"}


def test_the_style_sheet_has_the_colors_of_the_figures(request: pytest.FixtureRequest) -> None:
    css = (request.config.rootpath / "book" / "assets" / "book.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--figure-(\w+): (#\w{6})", css.split('html[data-theme="dark"] { --figure')[0]))
    assert light == {name: color.lower() for name, color in figures.COLORS.items()}


def test_numbers_are_said_as_the_book_writes_them(request: pytest.FixtureRequest) -> None:
    bundle = request.config.rootpath / "book" / "assets" / "explore.js"
    text = (
        bundle.read_text(encoding="utf-8")
        + ";console.log(JSON.stringify([0,-1,0.5,12345,1e-3,100000,2.25,-7.394e-5,5e-6].map(explore.said)))"
    )
    assert node(text) == ["0", "−1", "0.5", "12,345", "0.001", "100,000", "2.25", "−7.39 × 10⁻⁵", "5 × 10⁻⁶"]


def test_stored_intervals_hold_their_values(request: pytest.FixtureRequest) -> None:
    seen = 0
    for path in sorted((request.config.rootpath / "book").glob("*.ipynb")):
        for figure in chapters.figures_of(chapters.read_notebook(path)):
            if "explore" not in figure:
                continue
            numbers = figure_data.unpack(figure["data"]).series
            for name, series in numbers.items():
                if name.startswith("explore_") and series.shape[-1] == 4:
                    y, low, high = np.moveaxis(series[..., 1:], -1, 0)
                    given = ~np.isnan(y + low + high)
                    slack = 1e-9 * np.abs(y[given])
                    assert np.all((low - y)[given] <= slack), (figure["name"], name)
                    assert np.all((y - high)[given] <= slack), (figure["name"], name)
                    seen += 1
    assert seen >= 5
