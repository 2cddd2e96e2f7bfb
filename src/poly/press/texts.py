"""Compare the text that two runs of a cell show: word for word, and number by number where the cell declares a level.

A cell whose numbers rounding may move says by how much in its metadata: ``{"poly": {"text": {"tolerance": 0.05}}}``, as
for a series of a figure (``levels``). As a plugin of pytest this module makes nbval compare such cells so.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from poly.press import levels

# What a test of a cell that differs says of it, by this name.
DIFFERS = "differs"
_NUMBER = re.compile(r"[-−+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


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
        whole = {name: value for name, value in given.items() if name != "small"}
        allowed = given["small"] if small and "small" in given else whole
        if not allowed:
            return None
        found = levels.Rule("rounding", **allowed)
        levels.check(found)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"metadata poly, text: {given!r}, must have tolerance or absolute: {error}") from None
    return found


def same(before: str, after: str, allowed: levels.Rule | None) -> bool:
    """Whether two texts have the same words, and numbers that are equal as far as the rule asks."""
    if allowed is None or before == after:
        return before == after
    if _NUMBER.sub("#", before) != _NUMBER.sub("#", after):
        return False
    old, new = (np.array([_value(text) for text in _NUMBER.findall(each)]) for each in (before, after))
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
            cell.user_properties.append((DIFFERS, _differing(ref, test)))
        return same_as_stored

    plugin.IPyNbCell.compare_outputs = compare_outputs


def _differing(ref: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]]) -> str:
    """The first line of a cell's text that is not as stored, and how it was."""
    before, after = ("\n".join(map(_text, outputs)).split("\n") for outputs in (ref, test))
    for was, now in zip_longest(before, after, fillvalue=""):
        if was != now:
            return f"says {now!r}, and said {was!r}"
    return "has other outputs than stored"


def _text(output: Mapping[str, Any]) -> str:
    data = output.get("data", {})
    return str(
        output.get("text") or data.get("text/plain") or next((v for k, v in data.items() if "text/plain" in k), "")
    )


def _take_over(old: Any, new: Any, allowed: levels.Rule) -> None:
    """Put the stored text in the place of one that differs from it by no more than is allowed."""
    for fields_old, fields_new in ((old, new), (old.get("data", {}), new.get("data", {}))):
        for name, text in fields_old.items():
            again = fields_new.get(name)
            if isinstance(text, str) and isinstance(again, str) and same(text, again, allowed):
                fields_new[name] = text
