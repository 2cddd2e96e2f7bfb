"""Load YAML safely: every error is a YAMLError with its place in the file."""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

_OTHER_BASE = re.compile(r"[-+]?0_*[0-9xbo]", re.IGNORECASE)


class Loader(yaml.SafeLoader):
    """Load YAML safely, and name the line of an invalid value, such as the date 2026-13-45.

    Python's own error for such a value has no line.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Construct one value as the safe loader does; the error for an invalid value names its line."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, ArithmeticError):
            kind = {"timestamp": "date", "int": "whole number", "float": "number"}.get(_kind(node), _kind(node))
            raise ConstructorError(None, None, f"{str(node.value)[:60]!r} is no {kind}", node.start_mark) from None


class Decimal(Loader):
    """Load YAML safely, but refuse numbers that YAML reads in another base: 010 as 8, 1:30 as 90."""


def _decimal(loader: Decimal, node: yaml.ScalarNode) -> Any:
    if ":" in node.value or _OTHER_BASE.match(node.value):
        raise ConstructorError(None, None, f"{node.value[:60]!r} is no decimal number", node.start_mark)
    return loader.construct_yaml_int(node) if _kind(node) == "int" else loader.construct_yaml_float(node)


for _tag in ("int", "float"):
    Decimal.add_constructor(f"tag:yaml.org,2002:{_tag}", _decimal)


def _kind(node: yaml.Node) -> str:
    return str(node.tag).rpartition(":")[2]
