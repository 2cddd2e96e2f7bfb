"""Highlight code with markup only on words that have a color of their own.

Markup on all other words would be half of a page's elements.
"""

from collections.abc import Iterable, Iterator
from typing import TextIO

from pygments.formatters import HtmlFormatter
from pygments.token import Name, Operator, Punctuation, String, Text, Whitespace, _TokenType
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

Tokens = Iterable[tuple[_TokenType, str]]
# The book's styles give these kinds of token the color of the code around them.
_UNMARKED = {Name, Name.Namespace, Punctuation, Whitespace, Operator, String.Interpol}
_STRINGS = {String, String.Single, String.Double}


class Formatter(HtmlFormatter):  # type: ignore[misc]
    """Format code as HTML, with markup only on tokens that have a color of their own."""

    def format_unencoded(self, tokensource: Tokens, outfile: TextIO) -> None:
        """Write the code, with fewer kinds of token than the lexer distinguishes."""
        super().format_unencoded(fewer_kinds(tokensource), outfile)

    def wrap(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Wrap the lines as Pygments does, but without its empty first element."""
        for is_code, text in super().wrap(source):
            yield is_code, text if is_code else text.removesuffix("<span></span>")


def fewer_kinds(tokens: Tokens) -> Iterator[tuple[_TokenType, str]]:
    """Turn tokens without a color of their own into plain text, and join a string's prefix to the string."""
    prefix = ""
    for kind, text in tokens:
        if prefix and kind not in _STRINGS:
            yield String.Affix, prefix
        elif prefix:
            text, prefix = prefix + text, ""  # noqa: PLW2901
        prefix = text if kind is String.Affix else ""
        if not prefix:
            yield (Text if kind in _UNMARKED else kind), text
    if prefix:
        yield String.Affix, prefix


def setup(app: Sphinx) -> None:
    """Make the HTML builder format code with ``Formatter``."""
    app.connect("builder-inited", _use_formatter)


def _use_formatter(app: Sphinx) -> None:
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.builder.highlighter.formatter = Formatter
