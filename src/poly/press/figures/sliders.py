"""Figures that answer back: a slider over stored numbers, redrawn in the page by book/assets/explore.js.

The numbers lie with the figure's others, so they are downloaded, kept and compared with those; the static figure stands
in print and where no script runs.
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
    """One axis of the plot, the same at every position of the slider.

    Args:
        label: plain text; may hold ², λ and the like, no TeX.
        ticks: where numbers stand, increasing.
        low, high: its ends; None: the first and the last tick.
        log: whether it is logarithmic.
    """

    label: str
    ticks: Sequence[float]
    low: float | None = None
    high: float | None = None
    log: bool = False

    def packed(self) -> dict[str, Any]:
        """As the page wants it."""
        ticks = [float(tick) for tick in self.ticks]
        low, high = (ticks[end] if value is None else float(value) for end, value in ((0, self.low), (-1, self.high)))
        if not low < high or (self.log and low <= 0):
            raise ValueError(f"axis {self.label!r}: goes from {low} to {high}, must rise, and from > 0 where it is log")
        inside = [tick for tick in ticks if low <= tick <= high]
        return {"label": self.label, "log": self.log, "low": low, "high": high, "ticks": inside}


@dataclass(frozen=True)
class Series:
    """One line, or the points, of the plot.

    Args:
        style: "line", "dashed", "dotted", "points", "steps" or with an interval a band or bars.
        color: a name in ``figures.COLORS``.
        x: (points,), or (positions, points) where it moves with the slider.
        y: (positions, points), or (positions, points, 3) with the ends of an interval. NaN: no number.
    """

    style: Style
    color: str
    x: ArrayLike
    y: ArrayLike


@dataclass(frozen=True)
class Explore:
    """What the slider moves over and what it redraws.

    Args:
        label: what moves, plain text, such as "λ".
        values: of it, one for each position of the slider.
        start: the position that stands there first, that of the static figure where there is one.
        redrawn: by how much the numbers may move where networks of the figure came out otherwise; 0: as ever.
        x, y: the axes.
        series: by the name that the legend shows.
    """

    label: str
    values: Sequence[Any]
    x: Axis
    y: Axis
    series: Mapping[str, Series]
    start: int = 0
    redrawn: float = 0.0

    def pack(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """What the figure's output keeps: words, and the numbers by the names of their series.

        Raises:
            ValueError: fewer than two positions, a start that is none, or numbers of a shape that does not fit.
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
    """The element that the page's script turns into a plot; hidden until it does."""
    whole = dict(about)
    whole["series"] = [
        {**series, "frames": [[[_short(v) for v in point] for point in frame] for frame in numbers[f"explore_{place}"]]}
        for place, series in enumerate(about["series"])
    ]
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<div class="explore" data-figure="{name}" hidden><script type="application/json">{text}</script></div>'


def _short(value: float) -> float | int | None:
    """Four digits are more than a plot shows."""
    if np.isnan(value):
        return None
    number = float(f"{value:.4g}")
    return int(number) if number.is_integer() else number
