"""Number appendices by letters: Appendix A has Figure A.1 and equation (A.1)."""

from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

APPENDIX = "book/appendix-"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Sphinx assigns its numbers in a listener to the same event, with the priority 500.
AFTER_SPHINX = 900
# The number of a heading or a figure: (7, 1) for 7.1. A heading that is too deep for a number has None.
Number = Any


def use_letters(_app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Replace the first number of each appendix by its letter: in headings, in the contents, in figures, in equations.

    Returns:
        The appendices, so that Sphinx writes them again.
    """
    numbers = {name: of for name, of in env.toc_secnumbers.items() if of.get("")}
    appendices = letters(sorted(numbers, key=lambda name: numbers[name][""]))
    for name, letter in appendices.items():
        for numbered in [numbers[name], *env.toc_fignumbers.get(name, {}).values()]:
            numbered.update({anchor: _lettered(of, letter) for anchor, of in numbered.items()})
        for entry in [env.titles[name], *env.tocs[name].findall(nodes.reference)]:
            entry["secnumber"] = _lettered(entry.get("secnumber"), letter)
    return list(appendices)


def letters(pages: Iterable[str]) -> dict[str, str]:
    """Give each appendix among these pages its letter, in their order."""
    return dict(zip((page for page in pages if page.startswith(APPENDIX)), LETTERS, strict=False))


def _lettered(number: Number, letter: str) -> Number:
    return (letter, *number[1:]) if number else None


def setup(app: Sphinx) -> None:
    """Add the letters to a build of Sphinx."""
    app.connect("env-get-updated", use_letters, priority=AFTER_SPHINX)
