"""Check an entry of ``claims.yml`` against ``schema.json``, and name a fault in one line.

The schema's descriptions say what is allowed: an editor shows them, and so do the lines.
"""

import json
import re
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, validators

SCHEMA: dict[str, Any] = json.loads(Path(__file__).with_name("schema.json").read_text(encoding="utf-8"))
# What an amendment in ``amended`` begins with: a date and a colon, and its reason follows.
AMENDMENT = re.compile(r"(?:^|; )(\d{4}-\d\d-\d\d): (?=\S)")


def validate(name: str, entry: Any) -> None:
    """Check one entry, as JSON has it.

    Raises:
        ValueError: the id, or a field, is not what the schema asks for.
    """
    for error in _VALIDATOR.iter_errors({name: entry}):
        raise ValueError(f"claims.yml, {_fault(error)}")


def amendment_dates(text: str) -> list[str]:
    """Find the dates in an entry's ``amended``, as in "2026-01-31: why; 2026-02-01: why again".

    There are none in a text that begins otherwise, or with a date that is none or still to come.
    """
    found = AMENDMENT.findall(text)
    return found if found and text.startswith(found[0]) and all(map(_has_been, found)) else []


def _fault(error: Any) -> str:
    """Name the entry, the field with its value, and what is allowed."""
    value, rule = error.instance, error.schema["description"]
    if not error.absolute_path:
        return f"{value!r}: an id {rule}"
    name, *fields = error.absolute_path
    place = ": ".join([name, *fields])
    match error.validator, error.schema.get("type"):
        case "additionalProperties", _:
            known = error.schema["properties"]
            unknown = min(value.keys() - known.keys(), key=str)
            fault = f"{place}: unknown field {unknown!r}, allowed are {', '.join(sorted(known))}"
        case "required", _ if not fields:
            fault = f"{place}: field {min(set(error.validator_value) - value.keys())!r} is missing"
        case _, "object" if not fields:
            fault = f"{place}: {rule}"
        case _, "object":
            fault = f"{place} is empty" if value is None else f"{place} {rule}"
        case _, "number" if _is_number(value):
            fault = f"{name}: {fields[0]} must be finite, with tolerance > 0"
        case _:
            fault = f"{place}={value!r}, {rule}"
    return fault


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    """Tell whether a value is a number that JSON can hold: YAML has .nan and .inf besides."""
    return _is_number(value) and abs(value) <= sys.float_info.max


def _has_been(text: str) -> bool:
    """Tell whether a text is a date up to tomorrow: east of here, tomorrow may have begun."""
    try:
        return date.fromisoformat(text) <= date.today() + timedelta(days=1)
    except ValueError:
        return False


def _validator() -> Any:
    types = {
        "number": lambda _, value: _is_finite(value),
        "integer": lambda _, value: _is_finite(value) and isinstance(value, int),  # 2.0 is no integer
    }
    formats = FormatChecker(formats=())
    formats.checks("date")(_has_been)
    formats.checks("amendments")(lambda text: not text or bool(amendment_dates(text)))
    strict = Draft202012Validator.TYPE_CHECKER.redefine_many(types)
    return validators.extend(Draft202012Validator, type_checker=strict)(SCHEMA, format_checker=formats)


_VALIDATOR = _validator()
