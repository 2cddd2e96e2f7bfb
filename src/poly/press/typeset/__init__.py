"""Write equations as MathML and code with little markup, and number appendices by letters, as an extension of Sphinx.

This package imports no other part of the press, so that it loads quickly.
"""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from poly.press.typeset import appendices, equations, listings

# Temml, which converts TeX to MathML, with its style sheet and its font.
FOLDER = Path(__file__).parent


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the equations, the listings and the numbers of appendices to a build of Sphinx."""
    equations.setup(app)
    listings.setup(app)
    appendices.setup(app)
    return {"version": "1", "parallel_read_safe": True}
