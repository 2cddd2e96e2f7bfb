"""Write equations as MathML, so that browsers need not convert TeX.

Sphinx asks a math renderer for one equation at a time. This renderer sets all equations of the book in one run of Node,
after all pages are read.
"""

import html
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError
from sphinx.locale import _
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from poly.press.typeset import node as nodejs

_BUNDLE = Path(__file__).with_name("typeset.js")
_OPENING, _CLOSING = "(“", ".,;:!?)”’"
_LOGGER = logging.getLogger(__name__)


class Equation(NamedTuple):
    """An equation in TeX, on lines of its own (`display`) or in a line of text."""

    tex: str
    display: bool


class EquationError(SphinxError):
    """An error for equations that cannot be set."""

    category = "Equation error"


class Fault(NamedTuple):
    """The reason why an equation cannot be set."""

    reason: str


def typeset(equations: Sequence[Equation]) -> list[str | Fault]:
    """Convert equations to MathML; each carries its TeX for screen readers that cannot read MathML."""
    bundle, given = _BUNDLE.read_text(encoding="utf-8"), json.dumps([equation._asdict() for equation in equations])
    made = nodejs.run(f"{bundle}\nconsole.log(JSON.stringify(press.typeset({given})))")
    faults = {fault["equation"]: Fault(fault["says"]) for fault in made["errors"]}
    return [faults.get(place) or _named(*pair) for place, pair in enumerate(zip(equations, made["html"], strict=True))]


def _named(equation: Equation, mathml: str) -> str:
    spoken = html.escape(" ".join(equation.tex.split()))
    return mathml.replace("<math", f'<math alttext="{spoken}"', 1)


class Renderer:
    """Hold the equations of one build by their TeX; `mathml` grows as equations are set."""

    def __init__(self) -> None:
        self.mathml: dict[Equation, str] = {}

    def set_all(self, _app: Sphinx, env: BuildEnvironment) -> None:
        """Set the equations of all pages at once."""
        self._set(found for name in sorted(env.all_docs) for found in _equations(env.get_doctree(name)))

    def _set(self, found: Iterable[nodes.Element]) -> None:
        """Set the equations that are not yet set.

        Raises:
            EquationError: an equation has an unknown macro or is malformed. Each is logged with its place.
        """
        places: dict[Equation, nodes.Element] = {}
        for place in found:
            places.setdefault(_equation(place), place)
        wanted = [equation for equation in places if equation not in self.mathml]
        if not wanted:
            return
        made, wrong = typeset(wanted), 0
        for equation, result in zip(wanted, made, strict=True):
            if isinstance(result, Fault):
                _LOGGER.error("%s in the equation %r", result.reason, equation.tex, location=places[equation])
                wrong += 1
            else:
                self.mathml[equation] = result
        if wrong:
            raise EquationError(f"{wrong} of {len(wanted)} equations cannot be set")

    def _mathml(self, node: nodes.Element) -> str:
        self._set([node])  # it may have been added to its page after all pages were read
        return self.mathml[_equation(node)]

    def visit_inline(self, translator: HTML5Translator, node: nodes.math) -> None:
        """Write an equation within a line of text as MathML, with nothing around it."""
        translator.body.append(self._mathml(node))
        raise nodes.SkipNode

    def visit_display(self, translator: HTML5Translator, node: nodes.math_block) -> None:
        """Write an equation on its own lines, with its number, in a box that scrolls if it is too wide."""
        write = translator.body.append
        write(translator.starttag(node, "div", CLASS="math notranslate nohighlight"))
        if node.get("number") and not node.get("nowrap"):
            write(f'<span class="eqno">({get_node_equation_number(translator, node)})')
            translator.add_permalink_ref(node, _("Link to this equation"))
            write("</span>")
        write(f'<div class="equation">{self._mathml(node)}</div></div>\n')
        raise nodes.SkipNode


class KeepWithPunctuation(SphinxTransform):
    """Keep each inline equation on one line with its punctuation.

    A browser breaks a line on either side of an equation, even before the full stop.
    """

    default_priority = 900  # after quotation marks are made

    def apply(self, **_kwargs: Any) -> None:
        """Wrap each equation together with the brackets and punctuation next to it."""
        for equation in list(self.document.findall(nodes.math)):
            parent, place = equation.parent, equation.parent.index(equation)
            before = parent[place - 1] if place else None
            after = parent[place + 1] if place + 1 < len(parent) else None
            opening = closing = ""
            if isinstance(before, nodes.Text):
                opening = before[len(before.rstrip(_OPENING)) :]
            if isinstance(after, nodes.Text):
                closing = after[: len(after) - len(after.lstrip(_CLOSING))]
            if not opening and not closing:
                continue
            kept = nodes.inline(classes=["tied"])
            parent[place] = kept
            kept += [nodes.Text(opening), equation, nodes.Text(closing)]
            if isinstance(after, nodes.Text):
                parent[place + 1] = nodes.Text(after.removeprefix(closing))
            if isinstance(before, nodes.Text):
                parent[place - 1] = nodes.Text(before.removesuffix(opening))


def setup(app: Sphinx) -> None:
    """Add the renderer of equations to a build of Sphinx, which then uses it instead of its own."""
    renderer = Renderer()
    app.add_html_math_renderer("mathml", (renderer.visit_inline, None), (renderer.visit_display, None))
    app.add_transform(KeepWithPunctuation)
    app.connect("env-updated", renderer.set_all)


def _equations(page: nodes.document) -> Iterator[nodes.Element]:
    yield from page.findall(nodes.math)
    yield from page.findall(nodes.math_block)


def _equation(node: nodes.Element) -> Equation:
    display = isinstance(node, nodes.math_block)
    tex = node.astext()
    return Equation(_separated((_aligned(tex) if display and not node.get("nowrap") else tex).strip()), display)


def _aligned(tex: str) -> str:
    """Align the paragraphs of a block of equations below each other, as Sphinx does for its own renderers."""
    parts = [
        rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in tex.split("\n\n") if part.strip()
    ]
    if len(parts) < 2:
        return "".join(parts)
    lines = r"\\".join(parts)
    return rf"\begin{{align}}\begin{{aligned}}{lines}\end{{aligned}}\end{{align}}"


def _separated(tex: str) -> str:
    """Add a blank to each comma before a digit: in TeX a comma separates, in Temml it would mark decimals."""
    first, *rest = tex.split(",")
    return first + "".join(f", {part}" if part[:1].isdecimal() else f",{part}" for part in rest)
