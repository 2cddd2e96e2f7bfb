"""Add sliders over stored numbers to figures; book/assets/explore.js redraws the figure in the page.

The numbers are stored, downloaded and compared together with the figure's others. The static figure remains in print,
and where no script runs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Style = Literal["line", "dashed", "dotted", "points", "steps"]


@dataclass(frozen=True)
class Axis:
    """An axis of the plot, the same at every position of the slider.

    Args:
        label: plain text; may hold ², λ and similar characters, but no TeX.
        ticks: the places of the numbers, increasing.
        low, high: the ends of the axis; None: the first and the last tick.
        log: whether the axis is logarithmic.
    """

    label: str
    ticks: Sequence[float]
    low: float | None = None
    high: float | None = None
    log: bool = False

    def packed(self) -> dict[str, Any]:
        """Return the axis as the page's script reads it.

        Raises:
            ValueError: the axis does not rise, or is logarithmic and does not begin above 0.
        """
        ticks = [float(tick) for tick in self.ticks]
        low, high = (ticks[end] if value is None else float(value) for end, value in ((0, self.low), (-1, self.high)))
        if not low < high or (self.log and low <= 0):
            raise ValueError(f"axis {self.label!r}: goes from {low} to {high}, must rise, and from > 0 where it is log")
        inside = [tick for tick in ticks if low <= tick <= high]
        return {"label": self.label, "log": self.log, "low": low, "high": high, "ticks": inside}


@dataclass(frozen=True)
class Series:
    """A line, or the points, of the plot.

    Args:
        style: "line", "dashed", "dotted", "points" or "steps". An interval is drawn as bars at points, else as a band.
        color: a name in ``figures.COLORS``.
        x: (points,), or (positions, points) if it moves with the slider.
        y: (positions, points), or (positions, points, 3) with the ends of an interval. NaN: no number.
    """

    style: Style
    color: str
    x: ArrayLike
    y: ArrayLike


@dataclass(frozen=True)
class Explore:
    """A slider: what it moves over, and what it redraws.

    Args:
        label: what moves, plain text, such as "λ".
        values: the values of what moves, one for each position of the slider.
        start: the first position; that of the static figure, if there is one.
        redrawn: how far the numbers may move if networks of the figure came out differently; 0: no farther than in
            other runs.
        x, y: the axes.
        series: the series by the name that the legend shows.
    """

    label: str
    values: Sequence[Any]
    x: Axis
    y: Axis
    series: Mapping[str, Series]
    start: int = 0
    redrawn: float = 0.0

    def pack(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what the figure's output stores: words, and the numbers by the names of their series.

        Raises:
            ValueError: there are fewer than two positions, the start is not one of them, or a shape does not fit.
        """
        positions = len(self.values)
        if positions < 2 or not 0 <= self.start < positions:
            raise ValueError(f"explore: has {positions} positions and starts at {self.start}, must have two or more")
        numbers: dict[str, NDArray[Any]] = {}
        told = []
        for place, (name, series) in enumerate(self.series.items()):
            y = np.asarray(series.y, np.float64)
            x = np.asarray(series.x, np.float64)
            x = np.broadcast_to(x, (positions, x.shape[-1]))
            if y.ndim not in (2, 3) or y.shape[:2] != x.shape or y.shape[2:] not in ((), (3,)):
                raise ValueError(f"explore: {name!r} has x {x.shape} and y {y.shape}, must fit {positions} positions")
            numbers[f"explore_{place}"] = np.concatenate([x[..., None], y.reshape(*x.shape, -1)], axis=-1)
            told.append({"name": name, "style": series.style, "color": series.color})
        about = {"label": self.label, "values": [str(value) for value in self.values], "start": self.start}
        return {**about, "x": self.x.packed(), "y": self.y.packed(), "series": told}, numbers


def html(about: Mapping[str, Any], numbers: Mapping[str, NDArray[Any]], name: str) -> str:
    """Write the element that the page's script turns into a plot; it is hidden until then."""
    whole = dict(about)
    whole["series"] = [
        {**series, "frames": [[[_short(v) for v in point] for point in frame] for frame in numbers[f"explore_{place}"]]}
        for place, series in enumerate(about["series"])
    ]
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<div class="explore" data-figure="{name}" hidden><script type="application/json">{text}</script></div>'


def _short(value: float) -> float | int | None:
    """Round a number to four digits, which are more than a plot shows; return None for NaN."""
    if np.isnan(value):
        return None
    number = float(f"{value:.4g}")
    return int(number) if number.is_integer() else number
