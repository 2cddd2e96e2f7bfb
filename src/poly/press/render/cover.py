"""Draw the cover from the recorded life of a shared neuron: two features, six neurons, at three moments."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
from nbformat import NotebookNode
from numpy.typing import NDArray

from poly.press.chapters import Page, PressError, figures_of
from poly.press.figures import figure_data

FIGURE = "fig-c5-life"
SERIES = ("cover_weights", "cover_neurons", "favorite_neurons", "shared_neuron")
TITLES = ("the start", "on the way", "the end")
ALT = (
    "Three drawings of two features, A and B, above six neurons. At the start thin lines of random width and sign lead "
    "from each feature to all neurons, and the widest of A and of B lead to different neurons. In the end each feature "
    "has one line, to the same third neuron: one positive, one negative."
)
# Where things stand in a drawing, in its own units: features above, neurons below.
VIEW = "0 0 300 262"
FEATURES_X, FEATURES_Y, NEURONS_Y = (90, 210), 46, 206
FIRST_X, STEP_X = 30, 48
FEATURE_RADIUS, NEURON_RADIUS = 17, 13
WIDEST = 10.0
# A line that is thinner than this share of the widest is left out.
VISIBLE = 0.04


def tables(notebooks: Mapping[Page, NotebookNode]) -> dict[str, str]:
    """Draw the cover as HTML, by the name of its place on a page; nothing if no chapter has the recorded life.

    Raises:
        PressError: the figure's data lack what the cover needs.
    """
    for page, notebook in notebooks.items():
        for figure in figures_of(notebook):
            if figure["name"] == FIGURE:
                series = figure_data.unpack(figure["data"]).series
                if missing := [name for name in SERIES if name not in series]:
                    raise PressError(f"{page.name}: {FIGURE} has no series {missing[0]!r}, which the cover shows")
                weights, neurons, favorites, shared = (np.asarray(series[name]) for name in SERIES)
                lanes = _lanes(neurons.ravel().tolist(), favorites.ravel().tolist(), shared.ravel().tolist()[0])
                return {"cover": html(weights, neurons.ravel().tolist(), lanes)}
    return {}


def html(weights: NDArray[np.float64], neurons: Sequence[int], lanes: Sequence[int]) -> str:
    """Draw one picture for each moment, side by side.

    Args:
        weights: shape (moments, two features, neurons).
        neurons: the numbers of these neurons in the network.
        lanes: the same numbers, as they stand from left to right.
    """
    pictures = Element("div", {"role": "img", "aria-label": ALT})
    for title, now in zip(TITLES, weights, strict=True):
        by_neuron = {neuron: now[:, k] for k, neuron in enumerate(neurons)}
        _picture(pictures, title, [by_neuron[neuron] for neuron in lanes])
    return tostring(pictures, encoding="unicode") + "\n"


def _picture(parent: Element, title: str, columns: Sequence[NDArray[np.float64]]) -> None:
    """Draw lines from features to neurons, as wide as the weights are large, beside the largest of this moment."""
    svg = SubElement(parent, "svg", {"viewBox": VIEW, "role": "presentation"})
    largest = max(np.abs(column).max() for column in columns)
    for k, column in enumerate(columns):
        for x, weight in zip(FEATURES_X, column, strict=True):
            if abs(weight) > VISIBLE * largest:
                place = {"x1": x, "y1": FEATURES_Y + FEATURE_RADIUS, "x2": FIRST_X + STEP_X * k}
                look = {
                    "class": "cover-plus" if weight > 0 else "cover-minus",
                    "stroke-width": f"{WIDEST * abs(weight) / largest:.1f}",
                }
                _add(svg, "line", "", **place, y2=NEURONS_Y - NEURON_RADIUS, **look)
    for x, name in zip(FEATURES_X, "AB", strict=True):
        _add(svg, "circle", cx=x, cy=FEATURES_Y, r=FEATURE_RADIUS, **{"class": "cover-feature"})
        _add(svg, "text", name, x=x, y=FEATURES_Y + 6)
    for k in range(len(columns)):
        _add(svg, "circle", cx=FIRST_X + STEP_X * k, cy=NEURONS_Y, r=NEURON_RADIUS, **{"class": "cover-neuron"})
    _add(svg, "text", title, x=150, y=252, **{"class": "cover-title"})


def _add(parent: Element, name: str, text: str = "", /, **attributes: Any) -> None:
    SubElement(parent, name, {key: str(value) for key, value in attributes.items()}).text = text or None


def _lanes(neurons: Sequence[int], favorites: Sequence[int], shared: int) -> list[int]:
    """Place each favorite on its feature's side and the shared neuron in the middle, so that few lines cross."""
    first, second = favorites
    others = [neuron for neuron in neurons if neuron not in (first, second, shared)]
    middle = [] if shared in favorites else [shared]
    last = [] if second == first else [second]
    half = (len(others) + 1) // 2
    return [first, *others[:half], *middle, *others[half:], *last]
