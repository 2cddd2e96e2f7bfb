"""Compare two runs of a chapter by all that a reader sees: printed and glued text, cards of claims, figures."""

import json
import re
from collections.abc import Mapping
from itertools import repeat
from typing import NamedTuple

from nbformat import NotebookNode

from poly.press import figure_data, ledger, texts
from poly.press.chapters import code_cells, figures_of

Moved = Mapping[str, Mapping[str, float]]
# How `glue` keeps a text.
_GLUED = "application/papermill.record/text/plain"


class Comparison(NamedTuple):
    """What differs, a line each, and how many of the cells, claims and figures hold: (held, of)."""

    faults: list[str]
    cells: tuple[int, int]
    claims: tuple[int, int]
    figures: tuple[int, int]


def compare(
    one: NotebookNode, other: NotebookNode, *, small: bool = False, perturbed: Moved | None = None
) -> Comparison:
    """Hold a run against another.

    Args:
        one, other: the same chapter, executed twice.
        small: whether on its small grid, where text may have another level.
        perturbed: by figure and series, by how much perturbations moved it, as far as known.
    """
    texts_off, cards_off = [], []
    cells = list(zip(code_cells(one), code_cells(other), strict=True))
    for number, (a, b) in enumerate(cells, 1):
        allowed = texts.rule(a.metadata, small=small)
        before, after = _texts(a), _texts(b)
        if len(before) != len(after) or not all(map(texts.same, before, after, repeat(allowed))):
            pairs = zip("\n".join(before).split("\n"), "\n".join(after).split("\n"), strict=False)
            was, now = next((p for p in pairs if not texts.same(*p, allowed)), ("", "more or fewer lines"))
            texts_off.append(f"cell {number} says {now!r}, and said {was!r}")
        for card, again in zip(_cards(a), _cards(b), strict=True):
            if card["verdict"] != again["verdict"] or not texts.same(json.dumps(card), json.dumps(again), allowed):
                cards_off.append(f"claim {card['id']}: was {_measured(card)}, is {_measured(again)}")
    lines = figure_changes(one, other, perturbed)
    drawn = len(figures_of(one))
    return Comparison(
        [*texts_off, *cards_off, *lines],
        (len(cells) - len(texts_off), len(cells)),
        (len(ledger.records(one)) - len(cards_off), len(ledger.records(one))),
        (drawn - len({line.split(",")[0] for line in lines}), drawn),
    )


def figure_changes(one: NotebookNode, other: NotebookNode, perturbed: Moved | None = None) -> list[str]:
    """Where the figures of two runs do not plot the same numbers, at the level of the first."""
    found = []
    for figure, drawn in zip(figures_of(one), figures_of(other), strict=True):
        name = figure["name"]
        before, after = (figure_data.unpack(each["data"]) for each in (figure, drawn))
        found += [f"{name}, {line}" for line in figure_data.differences(before, after, (perturbed or {}).get(name))]
    return found


def moves(one: NotebookNode, other: NotebookNode) -> dict[str, dict[str, list[float]]]:
    """By figure and series how far its numbers moved: the largest move, and the largest share of what is allowed."""
    return {
        figure["name"]: figure_data.moves(*(figure_data.unpack(each["data"]) for each in (figure, drawn)))
        for figure, drawn in zip(figures_of(one), figures_of(other), strict=True)
    }


def _cards(cell: NotebookNode) -> list[Mapping[str, object]]:
    found = [output.get("metadata", {}).get("poly", {}).get("claim") for output in cell.outputs]
    return [card for card in found if card]


def _measured(card: Mapping[str, object]) -> str:
    return f"{card['measured']} ({card['low']} to {card['high']}), {card['verdict']}"


def _texts(cell: NotebookNode) -> list[str]:
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        shown.append(output.get("text") or data.get("text/plain") or data.get(_GLUED, ""))
    return [re.sub(r"0x[0-9a-f]+", "0x…", text) for text in shown]
