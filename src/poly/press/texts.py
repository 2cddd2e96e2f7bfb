"""Compare the text that two runs of a cell show: word for word, and number by number where the cell declares a level.

A cell whose numbers rounding may move says by how much in its metadata: ``{"poly": {"text": {"tolerance": 0.05}}}``, as
for a series of a figure (``levels``). As a plugin of pytest this module makes nbval compare such cells so.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from poly.press.figures import levels

# What a test of a cell that differs says of it, by this name.
DIFFERS = "differs"
# How `glue` keeps a text.
GLUED = "application/papermill.record/text/plain"
NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d{1,3}\b)?")


def rule(metadata: Mapping[str, Any], *, small: bool = False) -> levels.Rule | None:
    """Return what a cell's metadata allows its numbers; None where its text must be the same.

    Args:
        metadata: of the cell.
        small: whether it ran on the small grid, for which ``small`` within ``text`` may name another allowance.

    Raises:
        ValueError: an allowance that is none.
    """
    given = metadata.get("poly", {}).get("text")
    if given is None:
        return None
    try:
        found = allowance({name: value for name, value in given.items() if name != "small"})
        on_small = allowance(given["small"]) if "small" in given else found
        if found is None and on_small is None:
            raise ValueError("it allows nothing")
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"metadata poly, text: {given!r}, must have tolerance or absolute: {error}") from None
    return on_small if small else found


def allowance(given: Mapping[str, Any]) -> levels.Rule | None:
    """The rule that an allowance of a cell's metadata makes; None where it is empty.

    Raises:
        ValueError, TypeError, AttributeError: an allowance that is none.
    """
    if unknown := sorted(given.keys() - {"tolerance", "absolute"}):
        raise ValueError(f"unknown {', '.join(unknown)}")
    if not given:
        return None
    found = levels.Rule("rounding", **given)
    levels.check(found)
    return found


def same(before: str, after: str, allowed: levels.Rule | None) -> bool:
    """Whether two texts have the same words, and numbers that are equal as far as the rule asks."""
    if allowed is None or before == after:
        return before == after
    if NUMBER.sub("#", before) != NUMBER.sub("#", after):
        return False
    old, new = (np.array([_value(text) for text in NUMBER.findall(each)]) for each in (before, after))
    # Each number by itself: that of a large one beside it gives it no room.
    return all(not levels.excess(a[None], b[None], allowed).any() for a, b in zip(old, new, strict=True))


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def pytest_configure() -> None:
    """Let nbval compare by ``same``."""
    from nbval import plugin  # noqa: PLC0415  # only where pytest runs

    compare = plugin.IPyNbCell.compare_outputs

    def compare_outputs(cell: Any, test: Any, ref: Any, skip_compare: Any = None) -> Any:
        allowed = rule(cell.cell.metadata)
        if allowed is not None and len(test) == len(ref):
            for new, old in zip(test, ref, strict=True):
                _take_over(old, new, allowed)
        same_as_stored = compare(cell, test, ref, skip_compare)
        if not same_as_stored:
            cell.user_properties.append((DIFFERS, differing(texts_of(ref), texts_of(test), allowed)))
        return same_as_stored

    plugin.IPyNbCell.compare_outputs = compare_outputs


def texts_of(outputs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The text of each output of a cell: printed, shown or glued; addresses of objects are taken out."""
    found = []
    for output in outputs:
        data = output.get("data", {})
        found.append(str(output.get("text") or data.get("text/plain") or data.get(GLUED, "")))
    return [re.sub(r"0x[0-9a-f]+", "0x…", text) for text in found]


def differing(before: Sequence[str], after: Sequence[str], allowed: levels.Rule | None) -> str:
    """The first line that is not as before at this level, and how it was."""
    old, new = ("\n".join(each).split("\n") for each in (before, after))
    for was, now in zip_longest(old, new):
        if was is None:
            return f"says {now!r} besides"
        if now is None:
            return f"no longer says {was!r}"
        if not same(was, now, allowed):
            return f"says {now!r}, and said {was!r}"
    return "has other outputs than it had"


def _take_over(old: Any, new: Any, allowed: levels.Rule) -> None:
    """Put the stored text in the place of one that differs from it by no more than is allowed."""
    for fields_old, fields_new in ((old, new), (old.get("data", {}), new.get("data", {}))):
        for name, text in fields_old.items():
            again = fields_new.get(name)
            if isinstance(text, str) and isinstance(again, str) and same(text, again, allowed):
                fields_new[name] = text
