"""Highlight code without marks on the words that look like code alone, which are half of a page's elements."""

from collections.abc import Iterable, Iterator
from typing import TextIO

from pygments.formatters import HtmlFormatter
from pygments.token import Name, Operator, Punctuation, String, Text, Whitespace, _TokenType
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

Tokens = Iterable[tuple[_TokenType, str]]
# The styles of the book give these the color of the code around them.
_UNMARKED = {Name, Name.Namespace, Punctuation, Whitespace, Operator, String.Interpol}
_STRINGS = {String, String.Single, String.Double}


class Formatter(HtmlFormatter):  # type: ignore[misc]
    """Format code as HTML with marks on what has a color of its own."""

    def format_unencoded(self, tokensource: Tokens, outfile: TextIO) -> None:
        """Write the code, with fewer kinds of tokens than the lexer tells apart."""
        super().format_unencoded(fewer_kinds(tokensource), outfile)

    def wrap(self, source: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """Wrap the lines as Pygments does, without the empty element that it puts in front."""
        for is_code, text in super().wrap(source):
            yield is_code, text if is_code else text.removesuffix("<span></span>")


def fewer_kinds(tokens: Tokens) -> Iterator[tuple[_TokenType, str]]:
    """Make plain text of tokens without a color of their own, and join the prefix of a string to the string."""
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
    """Let the builder for HTML format code in this way."""
    app.connect("builder-inited", _use_formatter)


def _use_formatter(app: Sphinx) -> None:
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.builder.highlighter.formatter = Formatter
