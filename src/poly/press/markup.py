"""Check and escape the HTML and markdown of outputs and claims, so that nothing in them runs on a page."""

import html
import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from nbformat import NotebookNode

# The most characters of one output: larger ones make pages that no browser opens, and lines that no terminal shows.
MOST_TEXT = 1_000_000
MOST_IMAGE = 20_000_000
# A tag that all browsers read alike. They read other spellings in different ways.
_TAG = re.compile(
    r"""<(/?)([a-z][a-z0-9-]*+)((?:\s++[a-z_:@][\w:.@-]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'=<>`]++))?+)*+)\s*+/?>""",
    re.IGNORECASE | re.ASCII,
)
_ATTRIBUTE = re.compile(r"""([^\s=]+)\s*(?:=\s*("[^"]*"|'[^']*'|[^\s"']+))?""")
_COMMENT = re.compile(r"<!--(?!-?>)[^<>]*-->")
# Elements that run code, load a page, or change how a browser reads what follows.
_REFUSED = {
    *("applet", "base", "embed", "form", "frame", "frameset", "iframe", "link", "meta", "noembed", "noframes"),
    *("noscript", "object", "plaintext", "portal", "script", "select", "template", "textarea", "title", "xmp"),
}
_RUNS = re.compile(r"(?:java|vb)script:|data:(?!image/(?:png|jpeg|gif|webp)\b)")
_MARKS = re.compile(r"[\\`*_{}\[\]$|~^<>#!&\"']")
_COMMONMARK = MarkdownIt("commonmark")


def plain(text: str) -> str:
    """Escape a text for HTML and markdown: on one line, with special characters as numeric references."""
    return _MARKS.sub(lambda sign: f"&#{ord(sign[0])};", one_line(text))


def escaped(text: str) -> str:
    """Escape a text for a block of HTML within markdown: on one line, because a blank line would end the block."""
    return html.escape(one_line(text))


def one_line(text: str) -> str:
    """Replace each run of blanks and line ends in a text by one space."""
    return " ".join(str(text).split())


def output_fault(output: NotebookNode) -> str:
    """Say what in an output must not reach a page; return an empty text if all may."""
    if output.output_type == "stream":
        return _size(output.text, MOST_TEXT)
    for kind, content in output.get("data", {}).items():
        mime = kind.removeprefix("application/papermill.record/")
        if "javascript" in mime or "ecmascript" in mime:
            return f"a script ({mime})"
        text = content if isinstance(content, str) else str(content)
        fault = _size(text, MOST_IMAGE if mime.startswith("image/") else MOST_TEXT)
        if mime in ("text/html", "image/svg+xml"):
            fault = fault or html_fault(text, drawing=mime != "text/html")
        elif mime == "text/markdown":
            fault = fault or markdown_fault(text)
        if fault:
            return fault
    figure = output.get("metadata", {}).get("poly", {}).get("figure")
    return markdown_fault(figure["caption"], caption=True) if figure else ""


def _size(text: str, most: int) -> str:
    return f"{len(text):,} characters, at most {most:,} are shown" if len(text) > most else ""


def html_fault(text: str, *, drawing: bool = False) -> str:
    """Say what in the HTML runs, or may run; a `drawing` is an SVG file, which may begin with a declaration."""
    if drawing:
        text = re.sub(r"^\s*(<\?xml [^<>]*\?>)?\s*(<!DOCTYPE [^<>\[]*>)?", "", text)
        text = re.sub(r"<!\[CDATA\[([^<>]*)\]\]>", r"\1", text)
    place = 0
    while (start := text.find("<", place)) >= 0:
        place = start + 1
        if not re.match(r"[a-z/!?]", text[start + 1 : start + 2], re.IGNORECASE):
            continue  # a less-than sign, not a tag
        if comment := _COMMENT.match(text, start):
            place = comment.end()
            continue
        tag = _TAG.match(text, start)
        if tag is None:
            return f"{text[start : start + 40]!r}, which is no plain tag of HTML"
        if fault := _tag_fault(tag[2].lower(), tag[3], drawing):
            return fault
        place = tag.end()
        if tag[2].lower() == "style" and not tag[1]:
            inside = text.find("<", place)
            if text[inside : inside + 8].lower() != "</style>":
                return "a <style> with other things than rules in it"
    return ""


def _tag_fault(name: str, attributes: str, drawing: bool) -> str:
    if name in _REFUSED - ({"title"} if drawing else set()):
        return f"<{name}>"
    for attribute, value in _ATTRIBUTE.findall(attributes):
        plainly = re.sub(r"[\x00-\x20]", "", html.unescape(value.strip("\"'"))).lower()
        if attribute.lower().startswith("on") or attribute.lower() in ("srcdoc", "formaction"):
            return f"{attribute.lower()}=… in <{name}>"
        if _RUNS.search(plainly):
            return f"{attribute.lower()}={plainly[:40]!r} in <{name}>"
    return ""


def markdown_fault(text: str, *, caption: bool = False) -> str:
    """Say what in the markdown runs; a `caption` must hold no block of code, which may be a directive."""
    if caption and re.search(r"^[\s>*+.)\d-]*(:::|```|~~~)", text, re.MULTILINE):
        return f"a caption with a block of code: {text[:40]!r}"
    return next((fault for part in _html_parts(text) if (fault := html_fault(part))), "")


def _html_parts(text: str) -> Iterator[str]:
    for token in _COMMONMARK.parse(text):
        for part in [token, *(token.children or [])]:
            if part.type in ("html_block", "html_inline"):
                yield part.content
