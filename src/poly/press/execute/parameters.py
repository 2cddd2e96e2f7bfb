"""Read a chapter's parameters: what its `parameters` cell defines, and values from the command line."""

import ast
import contextlib
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

import yaml
from nbformat import NotebookNode

from poly.press.chapters import PressError, sets_parameters
from poly.press.syntax import without_magics


class Parameter(NamedTuple):
    """A parameter of a chapter.

    Attributes:
        name: its name.
        text: its default, as the source writes it.
        default: its default as a value; None where the source has no literal.
    """

    name: str
    text: str
    default: Any


def known_parameters(notebook: NotebookNode, chapter: str = "the chapter") -> dict[str, Parameter]:
    """Find every name that the cell tagged `parameters` assigns, with its default.

    Raises:
        PressError: the cell is not valid Python.
    """
    cells = [cell for cell in notebook.cells if sets_parameters(cell)]
    found = {}
    for statement in [node for cell in cells for node in _statements(cell.source, chapter)]:
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


def _statements(source: str, chapter: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        with contextlib.suppress(SyntaxError):
            return ast.parse(without_magics(source)).body
        raise PressError(f"{chapter}: its parameters cell, line {error.lineno}, is no Python: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a null character, or too many nested brackets
        raise PressError(f"{chapter}: its parameters cell is no Python: {error}") from None


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):  # an expression such as 10**5: its value is for the kernel to find
        return None


def read_parameters(words: Iterable[str], known: dict[str, Parameter], chapter: str) -> dict[str, Any]:
    """Read values from words like 'n=64', each of the kind of its default.

    Raises:
        PressError: a word is not such a value.
    """
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
    given = f"{parameter.name}={text}"
    try:
        if any(isinstance(token, _NOT_PLAIN) for token in yaml.scan(text)):
            raise PressError(f"{given}: has a tag, an anchor or a reference, which a parameter cannot have")
        fitted = _fit(yaml.load(text, _Loader), parameter.default)
    except OverflowError as error:
        raise PressError(f"{given}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # an invalid character code, or too many nested lists
        raise PressError(f"{given}: not valid YAML") from None
    if fitted is None and parameter.default is not None:
        kind = _kind(parameter.default)
        raise PressError(f"{given}: expected {kind}, like its default {parameter.text}")
    return fitted


_NOT_PLAIN = (yaml.TagToken, yaml.AnchorToken, yaml.AliasToken, yaml.DirectiveToken)
_KEPT = [f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "null", "seq", "map")]
_NUMBER = re.compile(
    r"[-+]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


class _Loader(yaml.SafeLoader):
    """Read all numbers as decimal: by YAML's own rules 010 is 8, 1:30 is 90, and 2000-01-01 is no word."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        first: [(tag, form) for tag, form in rules if tag in _KEPT]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar[dict[str | None, Any]] = {t: yaml.SafeLoader.yaml_constructors[t] for t in _KEPT}

    def number(self, node: yaml.ScalarNode) -> Decimal | float:
        """Read a number as it is written.

        Raises:
            OverflowError: it is out of a float's range.
        """
        text = node.value.replace("_", "")
        if text[-1] in "fFnN":
            return float(text.replace(".", ""))
        nearest = float(text)
        if math.isinf(nearest) or (nearest == 0 and re.search("[1-9]", re.split("[eE]", text)[0])):
            raise OverflowError(f"{'too large' if nearest else 'too small'} for a number of 64 bits")
        return Decimal(text)


_Loader.add_implicit_resolver("!number", re.compile(f"(?:{_NUMBER.pattern})$"), list("-+.0123456789"))
_Loader.add_constructor("!number", _Loader.number)


def _fit(value: Any, default: Any) -> Any:
    """Convert a value to the kind of the default; None where it is of another kind."""
    fitted = None
    match default, value:
        case (None, _) | (dict(), dict()):
            fitted = _plain(value)
        case (bool(), bool()) | (str(), str()):
            fitted = value
        case (bool(), _) | (_, bool()):
            pass
        case int(), Decimal() if value == value.to_integral_value():
            fitted = _whole(value)
        case float(), Decimal() | float():
            fitted = float(value)
        case float(), str() if value.lower().lstrip("+-") in {"inf", "nan"}:
            fitted = float(value)
        case list() | tuple(), list():
            items = [_fit(item, default[0] if default else None) for item in value]
            # An empty list in the place of a full one would show and confirm nothing.
            fitted = None if None in items or (default and not items) else items
    return fitted


def _plain(value: Any) -> Any:
    """Convert a value to Python's own numbers, where the default tells no kind."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        return _whole(value) if value.as_tuple().exponent == 0 else float(value)
    return value


def _whole(value: Decimal) -> int:
    if abs(value) >= 2**63:
        raise OverflowError("too large for a whole number of 64 bits")
    return int(value)


def _kind(default: Any) -> str:
    if isinstance(default, (list, tuple)):
        return f"a list of at least one, each {_kind(default[0])}" if default else "a list"
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", dict: "a mapping"}
    return names.get(type(default), type(default).__name__)
