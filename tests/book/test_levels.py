"""Test that the declared levels of the book's figures rest on kept perturbations, and find planted changes."""

from pathlib import Path

import numpy as np
import pytest

from poly.press.chapters import find_chapters, read_notebook, read_pages
from poly.press.check import comparison, reproduce
from poly.press.figures import figure_differences, levels
from poly.press.figures.figure_data import FigureData

ROOT = Path(__file__).parents[2]
# A level that hides a change of this share of the largest number must rest on kept runs that moved by nearly as much.
WIDE = 1e-3
# Such a level may be at most this many times what the kept runs moved.
TIMES = 10
# Rounding moves these numbers by more than one part in a thousand: AdamW trains them in steps of fixed length.
MISSED = {
    "fig-c8-crowd, trained",
    *(f"fig-c8-half, {name}" for name in ("shared", "teller", "outputs_cut", "outputs_whole")),
}


@pytest.fixture(scope="module")
def figures() -> dict[str, FigureData]:
    found: dict[str, FigureData] = {}
    for page in find_chapters(read_pages(ROOT), []):
        found |= comparison.figures_by_name(read_notebook(page.path))
    return found


def rounded(data: FigureData) -> list[str]:
    """Name the series that are compared up to rounding."""
    return [
        name
        for name, values in data.series.items()
        if data.rule_of(name).level == "rounding" and values.dtype.kind == "f" and np.nanmax(np.abs(values)) > 0
    ]


def test_a_wide_rounding_level_is_what_kept_runs_moved(figures: dict[str, FigureData]) -> None:
    """Refuse a level that hides one part in a thousand of a series, if kept runs moved it by far less."""
    moved: dict[tuple[str, str], float] = {}
    for row in reproduce.rows(ROOT / reproduce.KEPT):
        for figure, series in row.get("moved", {}).items():
            for name, (size, _) in series.items():
                moved[figure, name] = max(size, moved.get((figure, name), 0.0))
    for figure, data in figures.items():
        for name in rounded(data):
            allowed = np.nanmax(levels.band(data.series[name], data.rule_of(name)))
            if allowed > WIDE * np.nanmax(np.abs(data.series[name])):
                assert allowed <= TIMES * moved.get((figure, name), 0.0), f"{figure}, {name}"


def test_one_part_in_a_thousand_is_found_in_every_rounding_series(figures: dict[str, FigureData]) -> None:
    """Plant a change of every series, one after another, and list those where it is not found."""
    missed = set()
    for figure, data in figures.items():
        for name in rounded(data):
            alone = FigureData({name: data.series[name]}, data.rule, {name: data.rule_of(name)})
            planted = alone._replace(series={name: data.series[name] * (1 + WIDE)})
            if not figure_differences.differences(alone, planted):
                missed.add(f"{figure}, {name}")
    assert missed == MISSED
