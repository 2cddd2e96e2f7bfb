"""Compare two runs of a chapter: printed and glued text, cards of claims, and the numbers of its figures."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import NamedTuple

from nbformat import NotebookNode

from poly.press import text_comparison
from poly.press.chapters import PressError, code_cells, figures_of, outputs_of, poly_metadata
from poly.press.claims import Record, ledger
from poly.press.figures import figure_data, figure_differences, levels
from poly.press.figures.figure_data import FigureData

Moved = Mapping[str, Mapping[str, float]]
_MEASURED = ("measured", "low", "high")


class Comparison(NamedTuple):
    """The result of a comparison: faults, a line each, and how many cells, claims and figures hold: (held, of)."""

    faults: list[str]
    cells: tuple[int, int]
    claims: tuple[int, int]
    figures: tuple[int, int]


def compare(
    one: NotebookNode,
    other: NotebookNode,
    *,
    small: bool = False,
    perturbed: Moved | None = None,
    texts: Collection[str] | None = None,
) -> Comparison:
    """Compare a run of a chapter with another.

    Args:
        one, other: the same chapter, executed twice.
        small: whether it ran on its small grid, for which text and figures may have another level.
        perturbed: by figure and series, how far perturbations moved it, as far as known.
        texts: the ids of cells whose text perturbations changed; None: not known.
    """
    texts_off, cards_off = [], []
    cells = list(zip(code_cells(one), code_cells(other), strict=True))
    for number, (a, b) in enumerate(cells, 1):
        allowed = text_comparison.rule(a.metadata, small=small)
        before, after = text_comparison.texts_of(a.outputs), text_comparison.texts_of(b.outputs)
        same = partial(text_comparison.same, allowed=allowed, small=small)
        why = explained(a.get("id", ""), texts)
        if len(before) != len(after) or not all(map(same, before, after)):
            texts_off.append(f"cell {number} {text_comparison.differing(before, after, allowed, small=small)}{why}")
        cards_off += [line + why for line in _cards_off(_cards(a), _cards(b), same)]
    lines = figure_changes(one, other, perturbed, small=small)
    drawn = len(figures_of(one))
    return Comparison(
        [*texts_off, *cards_off, *lines],
        (len(cells) - len(texts_off), len(cells)),
        (len(ledger.records(one)) - len(cards_off), len(ledger.records(one))),
        (drawn - len({line.split(",")[0] for line in lines}), drawn),
    )


def changed_texts(one: NotebookNode, other: NotebookNode) -> list[str]:
    """List the ids of the code cells whose text is not the same, whatever their levels allow."""
    return [
        a.get("id", "")
        for a, b in zip(code_cells(one), code_cells(other), strict=True)
        if text_comparison.texts_of(a.outputs) != text_comparison.texts_of(b.outputs)
    ]


def explained(cell: str, texts: Collection[str] | None) -> str:
    """Say whether a perturbation changed the text of a cell, too; nothing if that is not known."""
    if texts is None:
        return ""
    if cell in texts:
        return "; perturbation explains it: it changed the text of this cell, too"
    return "; perturbation does not explain it: it never changed the text of this cell"


def figure_changes(
    one: NotebookNode, other: NotebookNode, perturbed: Moved | None = None, *, small: bool = False
) -> list[str]:
    """List where the figures of two runs differ, at the level of the first; arguments as in ``compare``."""
    return differences(*_figures(one, other, small=small), perturbed)


def figures_by_name(notebook: NotebookNode) -> dict[str, FigureData]:
    """Return the numbers of a chapter's figures, by name."""
    return {figure["name"]: figure_data.unpack(figure["data"]) for figure in figures_of(notebook)}


def differences(
    before: Mapping[str, FigureData], after: Mapping[str, FigureData], perturbed: Moved | None = None
) -> list[str]:
    """List how the figures of ``after`` differ from those of ``before``, a line each that begins with the name."""
    found = [f"{name}, is new" for name in after.keys() - before.keys()]
    for name, data in before.items():
        if name not in after:
            found.append(f"{name}, was not drawn")
            continue
        lines = figure_differences.differences(data, after[name], (perturbed or {}).get(name))
        found += [f"{name}, {line}" for line in lines]
    return found


def _widened(data: FigureData, rule: levels.Rule) -> FigureData:
    """Apply the rule for small grids to series without a rule of their own, and widen all other rounding rules."""
    own = {
        name: each._replace(absolute=max(each.absolute, rule.absolute)) if each.level == "rounding" else each
        for name, each in data.own.items()
    }
    return data._replace(rule=rule, own=own)


def _on_small(notebook: NotebookNode) -> dict[str, levels.Rule]:
    """Read the rules for small grids in the metadata of figures' cells: ``{"poly": {"figure": {"small": …}}}``.

    Raises:
        PressError: a rule is malformed.
    """
    found = {}
    for cell, output in outputs_of(notebook):
        given = cell.metadata.get("poly", {}).get("figure")
        if given is None or "figure" not in poly_metadata(output):
            continue
        try:
            rule = text_comparison.allowance(given["small"])
            if given.keys() != {"small"} or rule is None:
                raise ValueError("must have small alone")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"metadata poly, figure: {given!r}, must name tolerance or absolute for small grids: {error}"
            raise PressError(message) from None
        found[poly_metadata(output)["figure"]["name"]] = rule
    return found


def _figures(
    one: NotebookNode, other: NotebookNode, *, small: bool
) -> tuple[dict[str, FigureData], dict[str, FigureData]]:
    """Return the figures of two runs by name, with the levels of small grids if asked for."""
    before, after = figures_by_name(one), figures_by_name(other)
    for name, rule in (_on_small(one) if small else {}).items():
        for run in (before, after):
            if name in run:
                run[name] = _widened(run[name], rule)
    return before, after


def moves(one: NotebookNode, other: NotebookNode, *, small: bool = False) -> dict[str, dict[str, list[float]]]:
    """Measure the largest move, and its share of what is allowed, by figure and series; arguments as in ``compare``."""
    before, after = _figures(one, other, small=small)
    return {name: figure_differences.moves(data, after[name]) for name, data in before.items() if name in after}


def _cards(cell: NotebookNode) -> dict[str, Record]:
    return {card["id"]: card for card in ledger.records_in(cell.outputs)}


def _cards_off(
    before: Mapping[str, Record], after: Mapping[str, Record], same: Callable[[str, str], bool]
) -> list[str]:
    """List the claims whose cards differ: measured numbers where they are not the same, all other fields exactly."""
    found = []
    for name, card in before.items():
        again = after.get(name)
        if again is None:
            found.append(f"claim {name}: is not checked")
            continue
        fixed = all(card.get(key) == again.get(key) for key in (card.keys() | again.keys()) - set(_MEASURED))
        if not fixed or not all(same(str(card[key]), str(again[key])) for key in _MEASURED):
            found.append(f"claim {name}: was {_measured(card)}, is {_measured(again)}")
    return found


def _measured(card: Record) -> str:
    return f"{card['measured']} ({card['low']} to {card['high']}), {card['verdict']}"
