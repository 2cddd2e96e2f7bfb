"""Find the addresses on other hosts that rendered pages load as they open; a page must load none."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

TAG = re.compile(
    r"<(script|link|img|iframe|frame|source|video|audio|track|embed|object|input|image|use|base)\b"
    r"((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>",
    re.I,
)
ATTRIBUTE = re.compile(r"([\w:-]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+)")
ASKING = {"src", "href", "xlink:href", "srcset", "imagesrcset", "data", "poster"}
# Relations of links that describe the page and load nothing.
SAYING = {"canonical", "alternate", "author", "license", "next", "prev", "search", "index", "help", "me"}
ELSEWHERE = re.compile(r"(?:https?:|wss?:)?//[^\s/]", re.I)
STYLE = re.compile(r"<style\b[^>]*>(.*?)</style>|<[a-z][^>]*\sstyle\s*=\s*(\"[^\"]*\"|'[^']*')", re.I | re.S)
IN_STYLE = re.compile(r"(?:url\(\s*[\"']?|@import\s+[\"'])\s*((?:https?:)?//[^\s\"')]+)", re.I)
SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.I | re.S)
# Addresses of modules, of requests and assignments, and of the settings of require.js.
IN_SCRIPT = re.compile(
    r"(?:\b(?:import|from|importScripts|fetch|require(?:js)?|src|href)\b[^\"'`\n;]{0,40}"
    r"|\brequire(?:js)?\.config\([^;]{0,400}?)[\"'`]((?:https?:)?//[^\"'`\s]+)",
)
COMMENT = re.compile(r"<!--.*?-->", re.S)


def in_book(book: Path) -> list[str]:
    """List the addresses on other hosts that pages and style sheets of the rendered book load, one line each."""
    found = []
    for path in sorted(book.rglob("*")):
        if path.suffix in {".html", ".css"} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            asked = in_page(text) if path.suffix == ".html" else in_style(text)
            found += [f"{path.relative_to(book).as_posix()} asks for {address}" for address in asked]
    return found


def in_page(text: str) -> list[str]:
    """List the addresses on other hosts that a page loads; links for readers to follow do not count."""
    text = COMMENT.sub("", text)
    found = [address for tag in TAG.finditer(text) for address in _in_tag(tag[1].lower(), tag[2])]
    for style in STYLE.finditer(text):
        found += in_style(html.unescape(style[2]) if style[1] is None else style[1])
    for script in SCRIPT.finditer(text):
        if "json" not in script[1]:
            found += [match[1] for match in IN_SCRIPT.finditer(script[2])]
    return list(dict.fromkeys(found))


def in_style(text: str) -> list[str]:
    """List the addresses on other hosts that a style sheet loads."""
    return IN_STYLE.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S))


def _in_tag(tag: str, text: str) -> Iterator[str]:
    attributes = {name.lower(): html.unescape(value.strip("\"'")) for name, value in ATTRIBUTE.findall(text)}
    if tag == "link" and set(attributes.get("rel", "").lower().split()) <= SAYING:
        return
    for name in ASKING & set(attributes):
        # A list of pictures also holds commas and sizes.
        words = attributes[name].replace(",", " ").split() if "srcset" in name else [attributes[name].strip()]
        yield from (word for word in words if ELSEWHERE.match(word))
