"""A browser, and the book that it opens.

The book is the folder in POLY_HTML, or else the stored notebooks as `python -m poly.press build --stored` renders them.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, sync_playwright

from poly.press import export
from poly.press.chapters import PressError
from poly.press.render import redirects
from poly.press.render.postprocess import page_files
from poly.press.serve import free_server

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Site:
    """The rendered book, and the address of its server."""

    html: Path
    address: str

    def pages(self) -> list[str]:
        """Return the paths of all pages, without the theme's own fragments and those that lead to other pages."""
        elsewhere = {"index.html", *(f"book/{old}.html" for old in redirects.read(ROOT))}
        found = (path.relative_to(self.html).as_posix() for path in page_files(self.html))
        return [page for page in found if page not in elsewhere]


@dataclass
class Book(Site):
    """The rendered book, its server, and Chromium."""

    browser: Browser


def not_here(what: str) -> NoReturn:
    """Skip the test, as this machine lacks something that it needs; fail if CI is set."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@functools.cache
def rendered() -> Path:
    """Return the folder of the rendered book; build it if POLY_HTML does not name one."""
    given = os.environ.get("POLY_HTML")
    html = Path(given) if given else ROOT / "_build" / "stored" / "html"
    if not given:
        command = [sys.executable, "-m", "poly.press", "build", "--stored"]
        made = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
        assert made.returncode == 0, f"the stored book does not build:\n{made.stdout}\n{made.stderr}"
    assert (html / "book" / "index.html").is_file(), f"there is no book in {html}"
    return html


@contextmanager
def served(html: Path) -> Iterator[Site]:
    """Serve the book in this folder, and yield it."""
    server = free_server(html, 8700)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Site(html, f"http://127.0.0.1:{server.server_port}/")
    server.shutdown()
    server.server_close()


@contextmanager
def opened() -> Iterator[Book]:
    """Serve the book, start Chromium, and yield both."""
    with sync_playwright() as play:
        try:
            path = export.browser(play)
        except PressError as error:
            not_here(str(error))
        with served(rendered()) as site:
            browser = play.chromium.launch(executable_path=path, args=export.QUIET)
            yield Book(site.html, site.address, browser)
            browser.close()
