"""Typeset the formulas in a claim's texts: ``W_i`` becomes ``<var>W</var><sub>i</sub>``."""

import html
import re
from collections.abc import Callable

from markupsafe import Markup

# A letter with an index behind an underscore.
_INDEXED = re.compile(r"(?<![\w.])([A-Za-zα-ω])_([a-z]+)")
# A Greek letter, perhaps before a Latin one, as in λt; no word is Greek.
_GREEK = re.compile(r"(?<![A-Za-zΑ-ω])([Γ-ω])([a-z])?(?![A-Za-zΑ-ω])")
# A Latin letter that stands alone, behind a number, or before a small sign. "a", "A" and "I" are words; a letter
# beside a hyphen, an apostrophe (a reference that ends with a semicolon) or a point belongs to one.
_LATIN = re.compile(r"(?<![A-Za-zΑ-ω])(?<![-.’&;])([b-zB-HJ-Z])(?:(?=[²³⁴¹⁰ⁿᵢⱼₖ₀-₉])|(?![\w.’&-]))")
_TAGGED = re.compile(r"(<var>.*?</var>(?:<sub>.*?</sub>)?)")


def typeset(text: object) -> Markup:
    """Escape a text for HTML, and set its symbols in italics, with their indices below. HTML stays as it is."""
    if isinstance(text, Markup):
        return text
    found = _INDEXED.sub(r"<var>\1</var><sub>\2</sub>", html.escape(str(text)))
    found = _outside(found, lambda part: _GREEK.sub(_variables, part))
    return Markup(_outside(found, lambda part: _LATIN.sub(_variables, part)))


def _variables(match: re.Match[str]) -> str:
    return "".join(f"<var>{letter}</var>" for letter in match.groups() if letter)


def _outside(text: str, change: Callable[[str], str]) -> str:
    """Change a text outside of what is set already."""
    return "".join(part if k % 2 else change(part) for k, part in enumerate(_TAGGED.split(text)))
