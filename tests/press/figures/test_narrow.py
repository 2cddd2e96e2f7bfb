"""Figures are laid out again for narrow screens: nothing is lost, nothing overlaps."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from poly.press.figures import narrow, subplots


def relaid(fig: Figure, *, changed: bool = True) -> None:
    assert narrow.relayout(fig) == changed
    fig.draw_without_rendering()


def test_axes_side_by_side_are_stacked_with_their_own_labels() -> None:
    fig, axes = subplots(2, 2, size=(7.2, 5.0), sharex=True, sharey=True)
    axes[1, 0].set_xlabel("time")
    axes[1, 1].set_xlabel("neurons")
    axes[0, 0].set_ylabel("loss")
    for axis in axes.flat:
        axis.plot([1, 2], [1, 2])
    relaid(fig)
    assert fig.get_size_inches().tolist() == [narrow.WIDTH, 10.0]
    boxes = [axis.get_tightbbox() for axis in axes.flat]
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    assert [axis.get_xlabel() for axis in axes.flat] == ["time", "neurons", "time", "neurons"]
    assert axes[0, 1].get_ylabel() == "loss"
    for axis in axes.flat:
        assert axis.get_yticklabels()[0].get_visible()
        assert axis.get_window_extent().width > 0.6 * fig.bbox.width


def test_a_narrow_figure_and_a_large_grid_keep_their_shape() -> None:
    fig, _ = subplots(size=(3.0, 2.0))
    relaid(fig, changed=False)
    assert fig.get_size_inches().tolist() == [3.0, 2.0]
    fig, axes = subplots(5, 2, size=(7.2, 7.0))
    relaid(fig)
    assert fig.get_size_inches().tolist() == [narrow.WIDTH, 7.0]
    assert axes[0, 0].get_window_extent().x1 < axes[0, 1].get_window_extent().x0


def test_maps_and_many_columns_stay_as_they_are() -> None:
    fig, _ = subplots(1, 6)
    relaid(fig, changed=False)
    fig, axis = subplots()
    fig.colorbar(axis.pcolormesh(np.eye(3)))
    relaid(fig, changed=False)
    fig, axis = subplots()
    axis.set_aspect("equal")
    relaid(fig, changed=False)
    assert fig.get_size_inches().tolist() == [7.2, 4.2]


def test_long_labels_are_broken_but_formulas_are_not() -> None:
    fig, axis = subplots()
    title = "the share of all features that end on the neuron of their largest weight"
    formula = "$a + b + c + d + e + f + g + h + i + j + k + l + m + n + o + p$"
    axis.set(
        title=title, xlabel=f"so many times {formula}", yticks=[0, 1], yticklabels=["short", "x" * 9 + " " + "y" * 9]
    )
    relaid(fig)
    lines = axis.get_title().split("\n")
    assert len(lines) == 2
    assert " ".join(lines) == title
    assert axis.get_xlabel() == f"so many times\n{formula}"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["short", "x" * 9 + "\n" + "y" * 9]


def test_broken_tick_labels_have_their_lines_apart() -> None:
    fig, axis = subplots(size=(7.2, 2.5))
    axis.set_yticks(range(7), ["some long words for each of these"] * 7)
    relaid(fig)
    boxes = sorted((label.get_window_extent() for label in axis.get_yticklabels()), key=lambda box: box.y0)
    assert all(below.y1 <= above.y0 for below, above in pairwise(boxes))


def test_a_moved_legend_keeps_the_styles_of_lines() -> None:
    fig, axis = subplots()
    axis.errorbar([0, 1], [0, 1], yerr=0.1, fmt="s--", label="a long name for the first of two lines")
    axis.legend()
    relaid(fig)
    drawn = [(line.get_marker(), line.get_linestyle()) for line in fig.legends[0].findobj(Line2D)]
    assert {mark for mark, _ in drawn} >= {"s"}
    assert {line for _, line in drawn} >= {"--"}


@pytest.mark.parametrize("outside", [False, True])
def test_a_wide_legend_stands_outside_in_as_many_columns_as_fit(outside: bool) -> None:
    fig, axis = subplots()
    names = [f"a way to train, number {k}" for k in range(5)]
    for k, name in enumerate(names):
        axis.plot([0, 1], [k, k], label=name)
    place: dict[str, Any] = {"loc": "outside upper center"} if outside else {}
    (fig if outside else axis).legend(ncols=3, **place)
    relaid(fig)
    assert axis.get_legend() is None
    (legend,) = fig.legends
    texts = legend.get_texts()
    assert sorted(text.get_text() for text in texts) == names
    shown = [text.get_window_extent() for text in texts]
    assert min(box.x0 for box in shown) >= 0
    assert max(box.x1 for box in shown) <= fig.bbox.width
    assert len({round(box.x0) for box in shown}) == 1


def test_a_label_below_all_axes_gives_way_to_the_legend() -> None:
    fig, axes = subplots(1, 2)
    fig.supxlabel("time")
    for axis in axes:
        axis.plot([0, 1], [0, 1], label="a name that is too long for a narrow plot")
    axes[0].legend()
    relaid(fig)
    assert fig.get_supxlabel() == ""
    assert [axis.get_xlabel() for axis in axes] == ["time", "time"]


def test_a_small_legend_stays_in_its_axes() -> None:
    fig, axis = subplots()
    axis.plot([0, 1], [0, 1], label="run")
    legend = axis.legend()
    relaid(fig)
    assert axis.get_legend() is legend
    assert not fig.legends


def test_ticks_that_would_overlap_become_fewer_or_are_turned() -> None:
    fig, (one, other) = subplots(1, 2, size=(7.2, 3.0))
    one.plot([0, 100_000], [0, 1])
    one.set_xticks(np.arange(0, 100_001, 10_000))
    other.plot([0, 1], [0, 1])
    other.set_xticks([0, 0.5, 1], ["ten thousand neurons", "twenty thousand", "thirty thousand"])
    relaid(fig)
    for axis in (one, other):
        assert axis.get_xticklabels()[0].get_rotation() == 60
    fig, axis = subplots()
    axis.plot([0, 1_000_000], [0, 1])
    axis.xaxis.set_major_locator(MaxNLocator(12))
    relaid(fig)
    boxes = [label.get_window_extent() for label in axis.get_xticklabels() if label.get_text()]
    assert all(left.x1 <= right.x0 for left, right in pairwise(boxes))
