"""Compare the text that two runs of a cell show: words exactly, and numbers by the rule that the cell declares.

The metadata of a cell says by how much its numbers may differ: ``{"poly": {"text": {"tolerance": 0.05}}}``. The rule is
that of a figure's series (see ``levels``). As a plugin of pytest, this module makes nbval compare such cells by it.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import numpy as np

from poly.press.figures import levels

# The name of the test property that describes how a cell differs.
DIFFERS = "differs"
# The MIME type under which `glue` stores a text.
GLUED = "application/papermill.record/text/plain"
NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d{1,3}\b)?")


def rule(metadata: Mapping[str, Any], *, small: bool = False) -> levels.Rule | None:
    """Return the rule that a cell's metadata gives for its numbers; None if its text must be the same.

    Args:
        metadata: the metadata of the cell.
        small: whether the cell ran on the small grid. For it, ``small`` within ``text`` may name another allowance.

    Raises:
        ValueError: the allowance is malformed or empty.
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
    """Convert an allowance in a cell's metadata to a rule; None if the allowance is empty.

    Raises:
        ValueError, TypeError, AttributeError: the allowance is malformed.
    """
    if unknown := sorted(given.keys() - {"tolerance", "absolute"}):
        raise ValueError(f"unknown {', '.join(unknown)}")
    if not given:
        return None
    found = levels.Rule("rounding", **given)
    levels.check(found)
    return found


def same(before: str, after: str, allowed: levels.Rule | None, *, small: bool = False) -> bool:
    """Return whether two texts have the same words, and numbers that agree within the rule.

    Args:
        before, after: the texts.
        allowed: the rule; None: the numbers must be the same.
        small: whether they come from a small grid. A decimal fraction of two perturbed runs may then differ by one in
            its last digit, too: any number can lie where rounding turns. Whole numbers may not.
    """
    if before == after or (allowed is None and not small):
        return before == after
    pairs = paired_numbers(before, after)
    return pairs is not None and all(_agree(old, new, allowed, small) for old, new in pairs)


def paired_numbers(before: str, after: str) -> list[tuple[str, str]] | None:
    """Pair the numbers of two texts, as they are written; None if the words between the numbers differ."""
    if NUMBER.sub("#", before) != NUMBER.sub("#", after):
        return None
    return list(zip(NUMBER.findall(before), NUMBER.findall(after), strict=True))


def _agree(old: str, new: str, allowed: levels.Rule | None, small: bool) -> bool:
    """Compare one number: within an array, the largest number would widen the band of all others."""
    before, after = _value(old), _value(new)
    if small and "." in old and abs(after - before) <= Decimal(1).scaleb(int(before.as_tuple().exponent)):
        return True
    if allowed is None:
        return old == new
    return not levels.excess(np.array([float(before)]), np.array([float(after)]), allowed).any()


def _by_how_much(before: str, after: str, allowed: levels.Rule | None, small: bool) -> str:
    """Describe the first number that moved by more than the rule allows; nothing if the words differ, too."""
    says = str(allowed or levels.Rule("exact"))
    for old, new in paired_numbers(before, after) or ():
        if not same(old, new, allowed, small=small):
            return f": {old} moved by {_value(new) - _value(old):+.3g}, {says}"
    return ""


def _value(text: str) -> Decimal:
    return Decimal(text.replace(",", "").replace("−", "-"))


def pytest_configure() -> None:
    """Make nbval compare cells by ``same``, and record how a cell differs."""
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
    """Return the text of each output of a cell: printed, shown or glued; addresses of objects are masked."""
    found = []
    for output in outputs:
        data = output.get("data", {})
        found.append(str(output.get("text") or data.get("text/plain") or data.get(GLUED, "")))
    return [re.sub(r"0x[0-9a-f]+", "0x…", text) for text in found]


def differing(before: Sequence[str], after: Sequence[str], allowed: levels.Rule | None, *, small: bool = False) -> str:
    """Describe the first line that differs by more than allowed, with its old text; arguments as in ``same``."""
    old, new = ("\n".join(each).split("\n") for each in (before, after))
    for was, now in zip_longest(old, new):
        if was is None:
            return f"says {now!r} besides"
        if now is None:
            return f"no longer says {was!r}"
        if not same(was, now, allowed, small=small):
            return f"says {now!r}, and said {was!r}{_by_how_much(was, now, allowed, small)}"
    return "has other outputs than it had"


def _take_over(old: Any, new: Any, allowed: levels.Rule) -> None:
    """Replace each new text by the stored one if they agree within the rule."""
    for fields_old, fields_new in ((old, new), (old.get("data", {}), new.get("data", {}))):
        for name, text in fields_old.items():
            again = fields_new.get(name)
            if isinstance(text, str) and isinstance(again, str) and same(text, again, allowed):
                fields_new[name] = text
