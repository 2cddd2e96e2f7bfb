"""Show figures in one style, with fixed colors, and always with alt text, a caption and the plotted numbers.

``show`` stores alt text, caption, name, plotted numbers and a picture for narrow screens in the output's metadata.
Rendering turns them into a numbered figure of the page. A reader of the live notebook sees the caption below the
picture.
"""

import base64
import fnmatch
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from IPython.display import display
from jaxtyping import Float
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from poly.press.figures import figure_data, levels, narrow
from poly.press.figures.figure_data import statistical
from poly.press.figures.sliders import Axis, Explore, Series

__all__ = [
    "COLORS",
    "DRAW",
    "FOLDER",
    "Axis",
    "Explore",
    "Series",
    "error_bars",
    "rounding",
    "show",
    "statistical",
    "subplots",
]

# The environment variable that names a folder. Figures write their numbers there, to be compared with the stored ones.
FOLDER = "POLY_FIGURES"
# The environment variable that says which pictures are drawn: "all", or "none" where numbers alone are compared.
DRAW = "POLY_DRAW"

# Most are from the palette of Okabe and Ito, which color-blind readers can distinguish. Each color has one meaning in
# all chapters; shades of a color are more or less of the same thing.
COLORS = {
    "theory": "#222222",
    "paper": "#A50026",
    "flow": "#0072B2",
    "run": "#6A3D9A",
    "adamw": "#B87400",
    "benign": "#009E73",
    "malign": "#CC79A7",
    "null": "#8C8C8C",
    "positive": "#D55E00",
    "negative": "#23308F",
    "benefit": "#56B4E9",
    "interference": "#882255",
    "regularization": "#F0E442",
}

# Sharp on high-resolution screens, and on paper at the book's column width.
_DPI = 220
_CSS_DPI = 96

# Ignore the reader's own matplotlibrc: it could change the sizes of pictures, or ask for TeX.
mpl.rcdefaults()
mpl.rcParams.update(
    {
        "font.size": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#E4E4E4",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "image.interpolation": "nearest",
    }
)


# A default that no call can change.
_NONE: Mapping[str, float] = MappingProxyType({})


def subplots(rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (7.2, 4.2), **options: Any) -> Any:
    """Make an empty figure and its axes, as ``plt.subplots`` does; only ``show`` displays it.

    Args:
        rows, columns: the shape of the grid of axes.
        size: width and height in inches; 7.2 fills the book's column.
        options: further arguments of ``Figure.subplots``.
    """
    fig = Figure(figsize=size, layout="constrained")
    return fig, fig.subplots(rows, columns, **options)


def error_bars(estimates: ArrayLike) -> Float[NDArray[np.float64], "2 points"]:
    """Convert intervals to the lengths below and above each value that matplotlib's ``errorbar`` takes.

    Args:
        estimates: (value, low, high) of each point, (points, 3).

    Raises:
        ValueError: another shape.
    """
    rows = np.asarray(estimates, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise ValueError(f"estimates: has shape {rows.shape}, must be (points, 3)")
    lengths: NDArray[np.float64] = np.abs(rows[:, 1:] - rows[:, :1]).T
    return lengths


def rounding(
    values: ArrayLike,
    tolerance: float = levels.TOLERANCE,
    absolute: float = 0.0,
    redrawn: float = 0.0,
    near_zero: float = 0.0,
) -> levels.Series:
    """Declare a series that another run must reproduce up to the rounding error given here.

    Args:
        values: the series.
        tolerance: the largest error of a number, relative to its size.
        absolute: the largest additional error, in the units of the plot.
        redrawn: a larger value of ``absolute``, for runs in which networks of a statistical series of this figure
            came out differently.
        near_zero: a larger value of ``absolute``, for numbers below a hundredth of the series' largest.
    """
    return levels.Series(values, levels.Rule("rounding", tolerance, absolute, redrawn, near_zero=near_zero))


def _of(name: str, absolute: Mapping[str, float]) -> float:
    """Find the absolute error that a series may have."""
    return next((error for pattern, error in absolute.items() if fnmatch.fnmatchcase(name, pattern)), 0.0)


def _with_errors(
    data: Mapping[str, ArrayLike | levels.Series], tolerance: float, absolute: Mapping[str, float]
) -> dict[str, ArrayLike | levels.Series]:
    """Give each series without a level of its own the absolute error that it may have, if any."""
    found = dict(data)
    for name, given in data.items():
        if not isinstance(given, levels.Series) and (error := _of(name, absolute)):
            found[name] = rounding(given, tolerance, error)
    return found


def show(
    fig: Figure,
    name: str,
    *,
    data: Mapping[str, ArrayLike | levels.Series],
    alt: str,
    caption: str,
    level: levels.Level,
    tolerance: float = levels.TOLERANCE,
    absolute: Mapping[str, float] = _NONE,
    keep_colors: bool = False,
    explore: Explore | None = None,
) -> None:
    """Show a finished figure in the chapter, and store the numbers that it plots.

    Args:
        fig: the figure. In the end it is laid out for narrow screens.
        name: label for cross-references, unique in the book, such as "fig-row-race".
        data: the plotted series by name, of any shapes; NaN makes a gap in the plot. A series with a level of its own
            is given as ``statistical(networks)`` or ``rounding(values, tolerance)``.
        alt: what the figure shows, for a reader who cannot see it.
        caption: understandable without the text around it; markdown, may hold ``$math$``.
        level: how exactly another run must reproduce all other series: "exact" or "rounding" (see ``levels``).
        tolerance: the largest rounding error of a number, relative to its size.
        absolute: the largest additional rounding error of some series, in the units of the plot, by their names, or by
            patterns such as "after_*". With other parameters a chapter may have none of these series.
        keep_colors: whether the dark theme must leave the picture's colors as they are, as for heat maps.
        explore: a slider over numbers. With it the page redraws the figure, below the static one.

    Raises:
        ValueError: the name is unfit, alt text or caption is empty, there are no numbers, or the level is unknown.
    """
    figure_data.check_name(name)
    for field, value in (("alt", alt), ("caption", caption)):
        if not value.strip():
            raise ValueError(f"figure {name!r}: {field} is empty, every figure has one")
    try:
        if not isinstance(absolute, Mapping):
            raise ValueError(f"absolute={absolute!r}: must map names of series, or patterns of names, to errors")
        slider, moved = explore.pack() if explore else (None, {})
        redrawn = explore.redrawn if explore else 0.0
        of_slider = {each: rounding(values, tolerance, _of(each, absolute), redrawn) for each, values in moved.items()}
        packed = figure_data.pack({**_with_errors(data, tolerance, absolute), **of_slider}, level, tolerance)
    except ValueError as error:
        raise ValueError(f"figure {name!r}: {error}") from None
    if folder := os.environ.get(FOLDER):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{name}.json").write_text(json.dumps(packed), encoding="utf-8")
    width = round(fig.get_figwidth() * _CSS_DPI)
    about: dict[str, Any] = {
        "name": name,
        "alt": alt,
        "caption": caption,
        "theme": "keep" if keep_colors else "invert",
        "width": width,
        "data": packed,
    }
    if slider:
        about["explore"] = slider
    shown: dict[str, str | bytes] = {"text/plain": f"<figure {name}>"}
    wanted = os.environ.get(DRAW) or "all"
    if wanted not in ("all", "none"):
        raise ValueError(f"{DRAW}={wanted!r}: must be 'all' or 'none'")
    if wanted == "all":
        shown["image/png"] = _picture(fig)
        if narrow.relayout(fig):
            about["narrow"] = base64.b64encode(_picture(fig)).decode()
    display(  # type: ignore[no-untyped-call]
        shown, raw=True, metadata={"poly": {"figure": about}, "image/png": {"width": width}}
    )
    beside = {"text/markdown": f"*{caption}*", "text/plain": caption}
    display(beside, raw=True, metadata={"poly": {"caption": True}})  # type: ignore[no-untyped-call]


def _picture(fig: Figure) -> bytes:
    picture = io.BytesIO()
    fig.savefig(picture, format="png", dpi=_DPI)
    return picture.getvalue()
