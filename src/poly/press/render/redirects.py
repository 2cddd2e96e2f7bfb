"""Lead old addresses to the pages that hold their content now.

`book/moved.yml` maps the name of an old page to that of a new one. An old page becomes a page that forwards the reader.
A claim, a figure or an equation keeps its id on whichever page it is: one script knows the page of each id.
"""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from poly.press.chapters import PressError, read_yaml

LIST = "moved.yml"
SCRIPT = "moved.js"
# Claims, figures and equations have permanent ids. Other ids follow from headings, whose words may change.
PERMANENT = re.compile(r"(claim|fig|equation)-")
# The script lies in _static, and pages in book. A page that has moved names its successor in <html data-moved>.
FORWARD = """{
  const pages = %s;
  const { currentScript, documentElement } = document;
  const page = pages[decodeURIComponent(location.hash.slice(1))] ?? documentElement.dataset.moved;
  if (page) location.replace(new URL(`../book/${page}.html${location.hash}`, currentScript.src));
}
"""
PAGE = """<!DOCTYPE html>
<html lang="en" data-moved="{page}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>This page has moved</title>
<link rel="canonical" href="{page}.html">
<script src="../_static/{script}"></script>
<noscript><meta http-equiv="refresh" content="0; url={page}.html"></noscript>
</head>
<body><main><h1>This page has moved</h1><p>It is <a href="{page}.html">{title}</a> now.</p></main></body>
</html>
"""


def read(root: Path) -> dict[str, str]:
    """Read `book/moved.yml`; return nothing if there is no such file.

    Raises:
        PressError: the file does not map names of pages to names of pages.
    """
    path = root / "book" / LIST
    found: Any = read_yaml(path) if path.is_file() else {}
    name = re.compile(r"\w[\w-]*")
    if not isinstance(found, dict) or not all(
        isinstance(word, str) and name.fullmatch(word) for pair in found.items() for word in pair
    ):
        raise PressError(f"{LIST}: must map the name of each old page to the name of a page, as in 07-noise: 06-noise")
    return found


def write(book: Path, pages: Mapping[Path, BeautifulSoup], moved: Mapping[str, str]) -> None:
    """Write a page that forwards for each old address, and the script that knows where each id is.

    Raises:
        PressError: an old page still exists, or a new one does not.
    """
    folder = book / "book"
    places: dict[str, str] = {}
    for path, page in pages.items():
        if path.parent == folder:
            places |= {str(tag["id"]): path.stem for tag in page.find_all(id=PERMANENT)}
    static = book / "_static"
    static.mkdir(exist_ok=True)
    (static / SCRIPT).write_text(FORWARD % json.dumps(places, sort_keys=True), encoding="utf-8", newline="\n")
    for old, new in moved.items():
        if folder / f"{old}.html" in pages:
            raise PressError(f"{LIST}: {old} is a page of the book: remove the line, or the page from _toc.yml")
        if folder / f"{new}.html" not in pages:
            raise PressError(f"{LIST}: {old} leads to {new}, which is no page of the book")
        title = pages[folder / f"{new}.html"].find("title")
        words = html.escape(title.get_text() if title else new)
        text = PAGE.format(page=new, script=SCRIPT, title=words)
        (folder / f"{old}.html").write_text(text, encoding="utf-8", newline="\n")
