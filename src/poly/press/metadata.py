"""Check the notebook metadata that the press reads, because any editor may have written the file."""

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from nbformat import NotebookNode

from poly.press.figures import figure_data

# An id is a part of addresses and of the pages' HTML.
CLAIM_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,39}", re.ASCII)
Verdict = Literal["confirmed", "refined", "refuted", "open", "holds", "broken", "agrees", "differs", "measured"]

# A larger whole number may not fit into a float.
_HUGE = 1e300


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _HUGE


Fields = dict[str, tuple[str, Any]]
_TEXT = ("a text", lambda value: isinstance(value, str))
_FULL = ("a text that is not empty", lambda value: isinstance(value, str) and value.strip())
_MAPPING = ("a mapping", lambda value: isinstance(value, Mapping))
_SECONDS = ("a number of seconds", lambda value: value is None or _is_number(value))
_NUMBER = ("a finite number", _is_number)
_COUNT = ("a whole number ≥ 0", lambda value: _is_number(value) and isinstance(value, int) and value >= 0)
_NUMBERS = ("a list of numbers", lambda value: isinstance(value, list) and all(map(_is_number, value)))
_TRUTH = ("true or false", lambda value: isinstance(value, bool))
_CARD: Fields = {
    "id": ("letters, digits, '.', '_' and '-'", lambda value: isinstance(value, str) and CLAIM_ID.fullmatch(value)),
    "verdict": (f"one of {', '.join(get_args(Verdict))}", lambda value: value in get_args(Verdict)),
    **dict.fromkeys(("statement", "chapter"), _FULL),
    **dict.fromkeys(("predicted", "measured", "low", "high"), _NUMBER),
    "seeds": _COUNT,
    "blind": _TRUTH,
}
_CARD_MAY: Fields = dict.fromkeys(("interval", "entry", "amended"), _TEXT)
_FIGURE: Fields = dict.fromkeys(("alt", "caption"), _FULL)
_FIGURE_MAY: Fields = {"theme": _TEXT, "width": _COUNT, "explore": _MAPPING}
_RUN: Fields = {
    **dict.fromkeys(("date", "commit", "package", "requirements", "python", "processor"), _TEXT),
    **dict.fromkeys(("seconds", "peak_memory_gib", "memory_gib"), _NUMBER),
    **dict.fromkeys(("seeds", "libraries"), _MAPPING),
    "cores": _COUNT,
    "cells": _NUMBERS,
}


def check(notebook: NotebookNode) -> None:
    """Check the metadata that the press, its chapters and papermill store in a valid notebook.

    Raises:
        ValueError: a field is missing or of another kind than the press writes. One line names its place.
    """
    _whole(notebook.metadata)
    for number, cell in enumerate(notebook.cells, 1):
        place = f"cell {number}"
        _fields(cell.metadata, {}, dict.fromkeys(("poly", "mystnb", "papermill"), _MAPPING), place)
        _fields(cell.metadata.get("poly", {}), {}, {"small": _MAPPING}, f"{place}, poly")
        settings = dict.fromkeys(("image", "figure"), _MAPPING)
        _fields(cell.metadata.get("mystnb", {}), {}, settings, f"{place}, mystnb")
        _fields(cell.metadata.get("papermill", {}), {}, {"duration": _SECONDS}, f"{place}, papermill")
        for output in cell.get("outputs", []):
            _output(output.get("metadata", {}), place)


def _whole(metadata: Mapping[str, Any]) -> None:
    _fields(metadata, {}, dict.fromkeys(("poly", "papermill"), _MAPPING), "metadata")
    _fields(metadata.get("papermill", {}), {}, {"duration": _SECONDS}, "metadata, papermill")
    stamp = metadata.get("poly", {})
    _fields(stamp, {}, {"key": _TEXT, "inputs": _MAPPING, "python": _TEXT, "provenance": _MAPPING}, "metadata, poly")
    if stamp.get("provenance"):
        _fields(stamp["provenance"], _RUN, {}, "metadata, poly, provenance")


def _output(metadata: Mapping[str, Any], place: str) -> None:
    _fields(metadata, {}, {"poly": _MAPPING}, f"{place}, an output")
    told = metadata.get("poly", {})
    _fields(told, {}, {"figure": _MAPPING, "claim": _MAPPING}, f"{place}, an output, poly")
    if "figure" in told:
        figure_data.check_name(told["figure"].get("name"))
        _fields(told["figure"], _FIGURE, _FIGURE_MAY, f"{place}, figure {told['figure']['name']!r}")
    if "claim" in told:
        _fields(told["claim"], _CARD, _CARD_MAY, f"{place}, claim")


def _fields(found: Mapping[str, Any], must: Fields, may: Fields, place: str) -> None:
    for name, (kind, fits) in (must | may).items():
        if name not in found:
            if name in must:
                raise ValueError(f"{place}: {name} is missing, must be {kind}")
        elif not fits(found[name]):
            raise ValueError(f"{place}: {name}={_short(found[name])}, must be {kind}")


def _short(value: Any) -> str:
    return re.sub(r"(?s)(?<=.{60}).+", "…", repr(value))
