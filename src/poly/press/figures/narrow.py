"""Lay out a finished figure again for narrow screens: one column, type of the same size, and short lines."""

import re
import textwrap
import warnings
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.offsetbox import VPacker
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, MaxNLocator

# The width in inches. A phone shows it at about its own size, so that type stays as large as on a wide screen.
WIDTH = 3.9
# Grids of more axes keep their shape.
_MOST_STACKED, _MOST_COLUMNS = 4, 3
# Characters of a line: of tick labels, of titles, and of labels along the width.
_TICK, _LINE = 17, 38
# Inches of a line of tick labels, and the part of a figure's height that its axes have.
_TICK_LINE, _PLOT = 0.15, 0.78
# The part of the figure's width that a legend may take, that of its axes' width, and inches of a line of it.
_PART, _COVERED, _LEGEND_LINE = 0.97, 0.5, 0.19
# Parts of a text in which spaces are no places to break a line: formulas.
_UNBROKEN = re.compile(r"\$[^$]*\$|\w+ = [\d/.]+")


def relayout(fig: Figure) -> bool:
    """Change a figure for a narrow screen, in place; return False and leave it if it would not gain.

    Axes beside each other are stacked, unless there are many. Long labels are broken into lines, legends get as many
    columns as fit, and ticks that would overlap become fewer or are turned. Narrow figures stay, and so do many
    columns, and maps, whose squares and bars of colors have a shape of their own.
    """
    width, height = fig.get_size_inches()
    maps = any(axis.get_subplotspec() is None or axis.get_aspect() != "auto" for axis in fig.axes)
    columns = len({_place(axis)[1] for axis in fig.axes}) if not maps else 0
    if width <= WIDTH or maps or columns > _MOST_COLUMNS:
        return False
    rows = len({_place(axis)[0] for axis in fig.axes})
    if rows < len(fig.axes) <= _MOST_STACKED:
        _stack(fig, fig.axes)
        height *= len(fig.axes) / rows
    if below := fig.get_supxlabel():  # there is no place for it beside a legend below
        fig.supxlabel("")
        for axis in fig.axes:
            axis.set_xlabel(axis.get_xlabel() or below)
    taken = max(_break_labels(axis) for axis in fig.axes)
    height *= max(1.0, taken * len({_place(axis)[0] for axis in fig.axes}) / (_PLOT * height))
    for text in (fig._suptitle, fig._supylabel):  # type: ignore[attr-defined]
        if text is not None:
            text.set_text(_broken(text.get_text(), _LINE))
    fig.set_size_inches(WIDTH, height)
    with warnings.catch_warnings():  # a wide legend may leave no place for its axes: it becomes narrower next
        warnings.simplefilter("ignore", UserWarning)
        fig.draw_without_rendering()
    outside = sum(_narrow_legend(legend, fig) for legend in fig.legends)
    outside += _move_legends(fig)
    fig.set_size_inches(WIDTH, height + _LEGEND_LINE * outside)
    fig.draw_without_rendering()
    for axis in fig.axes:
        _part_ticks(axis)
    return True


def _stack(fig: Figure, axes: list[Axes]) -> None:
    """Put axes below each other, in reading order, each with its own labels."""
    last_row = {_place(axis)[1]: axis for axis in axes}  # the lowest axes of each column
    first_column = {_place(axis)[0]: axis for axis in reversed(axes)}
    labels = [(last_row[_place(axis)[1]].get_xlabel(), first_column[_place(axis)[0]].get_ylabel()) for axis in axes]
    grid = fig.add_gridspec(len(axes), 1)
    for k, (axis, (below, beside)) in enumerate(zip(axes, labels, strict=True)):
        axis.set_subplotspec(grid[k])
        axis.tick_params(labelbottom=True, labelleft=True)
        axis.set_xlabel(axis.get_xlabel() or below)
        axis.set_ylabel(axis.get_ylabel() or beside)


def _place(axis: Axes) -> tuple[int, int]:
    spec = axis.get_subplotspec()
    assert spec is not None
    return spec.rowspan.start, spec.colspan.start


def _break_labels(axis: Axes) -> float:
    """Break the labels of axes into short lines; return how high in inches the axes must be for them."""
    axis.set_title(_broken(axis.get_title(), _LINE))
    axis.set_xlabel(_broken(axis.get_xlabel(), _LINE))
    axis.set_ylabel(_broken(axis.get_ylabel(), _LINE))
    if isinstance(axis.yaxis.get_major_locator(), FixedLocator):
        texts = [label.get_text() for label in axis.get_yticklabels()]
        if any(len(text) > _TICK for text in texts):
            broken = [_broken(text, _TICK) for text in texts]
            axis.set_yticks(axis.get_yticks(), broken, fontsize=9)
            lines = [1 + text.count("\n") for text in broken]
            apart = max((sum(both) / 2 for both in pairwise(lines)), default=0.0)
            return _TICK_LINE * len(lines) * (apart + 0.3)
    return 0.0


def _broken(text: str, most: int) -> str:
    """Break a text into lines of at most so many characters, but not within a formula."""
    kept = _UNBROKEN.sub(lambda found: found[0].replace(" ", "\0"), text)
    lines = [textwrap.fill(line, most, break_long_words=False, break_on_hyphens=False) for line in kept.split("\n")]
    return "\n".join(lines).replace("\0", " ")


def _move_legends(fig: Figure) -> int:
    """Join the legends that would cover much of their axes to one below the figure; return its lines."""
    entries: list[tuple[Any, str]] = []
    titles: list[str] = []
    for axis in fig.axes:
        legend = axis.get_legend()
        if legend and legend.get_window_extent().width > _COVERED * axis.get_window_extent().width:
            # The legend's own marks lack bars of errors and styles of lines.
            drawn = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
            texts = [text.get_text() for text in legend.get_texts()]
            marks = zip(texts, legend.legend_handles, strict=True)
            entries += [(drawn.get(text, mark), text) for text, mark in marks]
            titles.append(legend.get_title().get_text())
            legend.remove()
    if not entries:
        return 0
    moved = fig.legend(
        *zip(*entries, strict=True), loc="outside lower center", ncols=len(entries), fontsize=9, title=titles[0] or None
    )
    return 1 + bool(titles[0]) + _narrow_legend(moved, fig)


def _narrow_legend(legend: Legend, fig: Figure) -> int:
    """Give a legend as many columns as fit into the figure; return by how many lines it grows."""
    box: Any = legend._legend_handle_box  # type: ignore[attr-defined]
    columns = box.get_children()
    entries = [entry for column in columns for entry in column.get_children()]
    lines = before = max((len(column.get_children()) for column in columns), default=0)
    while legend.get_window_extent().width > _PART * fig.bbox.width and lines < len(entries):
        lines += 1
        parts = [entries[k : k + lines] for k in range(0, len(entries), lines)]
        box._children = [VPacker(pad=0, sep=columns[0].sep, align="baseline", children=part) for part in parts]
    return lines - before


def _part_ticks(axis: Axes) -> None:
    """Thin out or turn the labels of the horizontal axis, if some overlap."""
    every = axis.get_xticklabels(which="both")
    labels = [label for label in every if label.get_text() and label.get_visible()]
    if not _overlap(labels):
        return
    if axis.get_xscale() == "linear" and not isinstance(axis.xaxis.get_major_locator(), FixedLocator):
        axis.xaxis.set_major_locator(MaxNLocator(4))
    else:
        axis.tick_params(axis="x", which="both", labelrotation=60)


def _overlap(labels: list[Text]) -> bool:
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    return any(one.x1 > other.x0 for one, other in pairwise(boxes))
