"""A chapter's parameters: what its `parameters` cell defines, and values for them from the command line."""

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml
from nbformat import NotebookNode

from poly.press.chapters import PressError


class Parameter(NamedTuple):
    """A knob of a chapter: its name, its default as the source writes it, and as a value (None if not a literal)."""

    name: str
    text: str
    default: Any


def known_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """Every name that the cell tagged `parameters` assigns, with its default."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    found = {}
    for statement in [node for cell in cells for node in ast.parse(cell.source).body]:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and statement.value is not None:
                found[target.id] = Parameter(target.id, ast.unparse(statement.value), _literal(statement.value))
    return found


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:  # an expression such as 10**5: its value is for the kernel to find
        return None


def read_parameters(words: Iterable[str], known: dict[str, Parameter], chapter: str) -> dict[str, Any]:
    """The values in words like 'n=64', each of the kind of its default; one line for what does not fit."""
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise PressError(f"{word!r} is no parameter: write name=value, for example n=64")
        if name not in known:
            listed = ", ".join(f"{p.name} = {p.text}" for p in known.values()) or "none"
            raise PressError(f"{chapter} has no parameter {name!r}; it has: {listed}")
        if name in values:
            raise PressError(f"{name} is given twice")
        values[name] = _value(known[name], text)
    return values


def _value(parameter: Parameter, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise PressError(f"{parameter.name}={text}: not valid YAML") from None
    fitted = _fit(value, parameter.default)
    if fitted is None and parameter.default is not None:
        kind = _kind(parameter.default)
        raise PressError(f"{parameter.name}={text}: expected {kind}, like its default {parameter.text}")
    return fitted


def _fit(value: Any, default: Any) -> Any:
    """`value` as the kind of `default`, or None when it is another kind."""
    if isinstance(value, str) and not isinstance(default, str):
        value = _number(value)  # YAML takes 1e-5 for a word
    fitted = None
    match default, value:
        case (None, _) | (bool(), bool()) | (str(), str()) | (dict(), dict()):
            fitted = value
        case (bool(), _) | (_, bool()):
            pass
        case int(), int() | float():
            fitted = int(value) if float(value).is_integer() else None
        case float(), int() | float():
            fitted = float(value)
        case list() | tuple(), list():
            items = [_fit(item, default[0] if default else None) for item in value]
            # An empty list in the place of a full one would show and confirm nothing.
            fitted = None if None in items or (default and not items) else items
    return fitted


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _kind(default: Any) -> str:
    if isinstance(default, (list, tuple)):
        return f"a list of at least one, each {_kind(default[0])}" if default else "a list"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", dict: "a mapping"}
    return names.get(type(default), type(default).__name__)
