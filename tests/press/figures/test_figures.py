import base64
import json
import re
import struct
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from poly.press import figures
from poly.press.figures import figure_data, narrow

ROOT = Path(__file__).parents[3]
NUMBERS: dict[str, Any] = {"data": {"y": [0, 1]}, "level": "exact"}
Shown = list[tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Collect the data and metadata of everything that is displayed."""
    seen: Shown = []

    def display(data: dict[str, Any], *, raw: bool, metadata: dict[str, Any]) -> None:
        assert raw
        seen.append((data, metadata))

    monkeypatch.setattr(figures, "display", display)
    return seen


def drawn(**options: Any) -> Figure:
    fig, axes = figures.subplots(**options)
    axes.plot([0, 1], [0, 1])
    assert isinstance(fig, Figure)
    return fig


def test_a_figure_carries_what_staging_needs(shown: Shown) -> None:
    figures.show(drawn(size=(5.0, 2.5)), "fig-x", alt="A line.", caption="A line, $y = x$.", **NUMBERS)
    (picture, metadata), (below, below_metadata) = shown
    assert picture["text/plain"] == "<figure fig-x>"
    about = metadata["poly"]["figure"]
    small = base64.b64decode(about.pop("narrow"))
    assert struct.unpack(">II", small[16:24]) == (round(220 * narrow.WIDTH), 550)
    assert about == {
        "name": "fig-x",
        "alt": "A line.",
        "caption": "A line, $y = x$.",
        "theme": "invert",
        "width": 480,
        "data": figure_data.pack(NUMBERS["data"], "exact"),
    }
    assert metadata["image/png"] == {"width": 480}
    assert below == {"text/markdown": "*A line, $y = x$.*", "text/plain": "A line, $y = x$."}
    assert below_metadata == {"poly": {"caption": True}}


def test_the_picture_is_a_sharp_png_of_the_given_size(shown: Shown) -> None:
    figures.show(drawn(size=(5.0, 2.5)), "fig-x", alt="A line.", caption="A line.", **NUMBERS)
    png = shown[0][0]["image/png"]
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (1100, 550)


def test_a_narrow_figure_needs_no_second_picture(shown: Shown) -> None:
    figures.show(drawn(size=(3.0, 2.5)), "fig-x", alt="A line.", caption="A line.", **NUMBERS)
    assert "narrow" not in shown[0][1]["poly"]["figure"]


def test_the_default_size_fills_the_column(shown: Shown) -> None:
    figures.show(drawn(), "fig-x", alt="A line.", caption="A line.", keep_colors=True, **NUMBERS)
    about = shown[0][1]["poly"]["figure"]
    assert about["width"] == round(7.2 * 96)
    assert about["theme"] == "keep"


@pytest.mark.parametrize("field", ["alt", "caption"])
@pytest.mark.parametrize("value", ["", "  \n"])
def test_nothing_may_be_empty(field: str, value: str, shown: Shown) -> None:
    fields: dict[str, Any] = {"name": "fig-x", "alt": "A line.", "caption": "A line.", field: value, **NUMBERS}
    with pytest.raises(ValueError, match=f"{field} is empty, every figure has one$"):
        figures.show(drawn(), **fields)
    assert not shown


def test_subplots_passes_its_options_on() -> None:
    fig, axes = figures.subplots(2, 3, sharex=True)
    assert axes.shape == (2, 3)
    assert tuple(fig.get_size_inches()) == (7.2, 4.2)
    axes[0, 0].set_xlim(0, 5)
    assert axes[1, 0].get_xlim() == (0, 5)


def test_error_bars_are_lengths_below_and_above_each_value() -> None:
    bars = figures.error_bars([[1.0, 0.5, 1.25], [2.0, 2.0, 3.0]])
    assert bars.tolist() == [[0.5, 0.0], [0.25, 1.0]]
    with pytest.raises(ValueError, match=r"^estimates: has shape \(3,\), must be \(points, 3\)"):
        figures.error_bars([1.0, 0.5, 1.25])


def test_colors_are_colors_and_tell_a_run_from_theory_and_paper() -> None:
    rgb = {name: to_rgb(color) for name, color in figures.COLORS.items()}
    assert len({rgb[name] for name in ("theory", "paper", "flow", "adamw", "benign", "malign", "null")}) == 7
    assert rgb["positive"] != rgb["negative"]
    assert not mpl.rcParams["axes.spines.top"]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"data": {}, "level": "exact"}, "figure 'fig-x': data={}, must map names to the plotted numbers"),
        ({"data": {"y": [0]}, "level": "sure"}, "figure 'fig-x': level='sure', must be one of exact"),
    ],
)
def test_a_figure_without_numbers_or_level_is_refused(numbers: Any, message: str, shown: Shown) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        figures.show(drawn(), "fig-x", alt="A line.", caption="A line.", **numbers)
    assert not shown


def test_the_numbers_are_also_written_where_the_environment_says(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(figures.FOLDER, str(tmp_path / "new"))
    figures.show(drawn(), "fig-x", alt="A line.", caption="A line.", **NUMBERS)
    packed = json.loads((tmp_path / "new" / "fig-x.json").read_text(encoding="utf-8"))
    assert figure_data.unpack(packed).series["y"].tolist() == [0, 1]
    assert shown


def test_where_numbers_alone_are_compared_nothing_is_drawn(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, pictures in (("", ["image/png"]), ("all", ["image/png"]), ("none", [])):
        monkeypatch.setenv(figures.DRAW, wanted)
        figures.show(drawn(), "fig-x", alt="A line.", caption="A line.", **NUMBERS)
        (data, metadata), _ = shown[-2:]
        assert [*data] == ["text/plain", *pictures]
        assert ("narrow" in metadata["poly"]["figure"]) == bool(pictures)
        assert metadata["poly"]["figure"]["data"] == figure_data.pack(NUMBERS["data"], "exact")
    monkeypatch.setenv(figures.DRAW, "some")
    with pytest.raises(ValueError, match=r"^POLY_DRAW='some': must be"):
        figures.show(drawn(), "fig-x", alt="A line.", caption="A line.", **NUMBERS)


def test_an_absolute_error_is_of_the_series_that_it_names(shown: Shown) -> None:
    data: dict[str, Any] = {"edge": [1.0], "after_max": [2.0], "own": figures.rounding([3.0], 1e-3)}
    absolute = {"after_*": 0.5, "own": 0.1}
    figures.show(drawn(), "fig-x", alt="A.", caption="C.", level="rounding", data=data, absolute=absolute)
    found = figure_data.unpack(shown[0][1]["poly"]["figure"]["data"])
    assert {name: found.rule_of(name).absolute for name in data} == {"edge": 0.0, "after_max": 0.5, "own": 0.0}
    with pytest.raises(ValueError, match=r"^figure 'fig-y': absolute=0.5: must map names of series"):
        figures.show(drawn(), "fig-y", alt="A.", caption="C.", level="rounding", data=data, absolute=0.5)  # type: ignore[arg-type]


def test_a_color_has_one_meaning_and_the_playground_has_the_same() -> None:
    assert len({color.lower() for color in figures.COLORS.values()}) == len(figures.COLORS)
    sheet = (ROOT / "book" / "assets" / "playground" / "playground.css").read_text(encoding="utf-8")
    light = sheet.split('html[data-theme="dark"]')[0]
    given = dict(re.findall(r"--play-(\w+): (#[0-9a-f]{6})", light))
    del given["regularization"]  # there it is darker, as lines of it stand on white
    same = given.keys() & figures.COLORS.keys()
    assert len(same) > 6
    assert {name: given[name] for name in same} == {name: figures.COLORS[name].lower() for name in same}
