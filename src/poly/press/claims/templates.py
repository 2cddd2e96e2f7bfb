"""Fill in the templates beside this file: claims' cards, tables of predictions, the ledger's list."""

import html
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from poly.press.claims.formulas import typeset

_FOLDER = Path(__file__).parent


def render(name: str, **values: Any) -> str:
    """Fill in one template; every value is escaped.

    Args:
        name: the template's file.
        values: what it names.

    Raises:
        jinja2.UndefinedError: the template names something that is not given.
    """
    return _ENVIRONMENT.get_template(name).render(values)


def _one_line(name: str) -> str:
    """Read a template without its indents and line ends: a blank line would end HTML within markdown."""
    return "".join(line.strip() for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines())


def _escaped(value: Any) -> Any:
    """Escape as the standard library does: Jinja writes quotes as other references than stored chapters have."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


_ENVIRONMENT = Environment(
    autoescape=True, finalize=_escaped, loader=FunctionLoader(_one_line), undefined=StrictUndefined
)
_ENVIRONMENT.filters["typeset"] = typeset
