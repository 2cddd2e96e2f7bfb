"""Typeset the formulas in a claim's texts: ``W_i`` becomes ``<var>W</var><sub>i</sub>``."""

import html
import re

from markupsafe import Markup

_SYMBOL = re.compile(
    # A letter with an index behind an underscore.
    r"(?<![\w.])(?P<head>[A-Za-zα-ω])_(?P<index>[a-z]+)"
    # A Greek letter, perhaps before a Latin one, as in λt; no word is Greek.
    r"|(?<![A-Za-zΑ-ω])(?P<greek>[Γ-ω])(?P<next>[a-z])?(?![A-Za-zΑ-ω])"
    # A Latin letter that stands alone, behind a number, or before a small sign. "a", "A" and "I" are words; a letter
    # beside a hyphen, an apostrophe (a reference that ends with a semicolon) or a point belongs to one.
    r"|(?<![A-Za-zΑ-ω])(?<![-.’&;])(?P<latin>[b-zB-HJ-Z])(?:(?=[²³⁴¹⁰ⁿᵢⱼₖ₀-₉])|(?![\w.’&-]))"
)


def typeset(text: object) -> Markup:
    """Escape a text for HTML, and set its symbols in italics, with their indices below. HTML stays as it is."""
    return text if isinstance(text, Markup) else Markup(_SYMBOL.sub(_tagged, html.escape(str(text))))


def _tagged(match: re.Match[str]) -> str:
    index = match["index"]
    letters = (match["head"], match["greek"], match["next"], match["latin"])
    return "".join(f"<var>{letter}</var>" for letter in letters if letter) + (f"<sub>{index}</sub>" if index else "")
