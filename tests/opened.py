"""A browser, and the book that it opens.

The book is the folder in POLY_HTML, or else the stored notebooks as `python -m poly.press build --stored` renders them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from poly.press import paper
from poly.press.chapters import PressError
from poly.press.finish import page_files
from poly.press.serve import free_server

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Book:
    """The rendered book on a server of its own, and the browser."""

    html: Path
    address: str
    browser: Browser

    def pages(self) -> list[str]:
        """Paths of all pages, without the theme's own fragments and the redirect at the root."""
        found = (path.relative_to(self.html).as_posix() for path in page_files(self.html))
        return [page for page in found if page != "index.html"]


@contextmanager
def opened() -> Iterator[Book]:
    """The book, served and ready to be opened."""
    with sync_playwright() as play:
        try:
            path = paper.browser(play)
        except PressError as error:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))
        given = os.environ.get("POLY_HTML")
        html = Path(given) if given else ROOT / "_build" / "stored" / "html"
        if not given:
            command = [sys.executable, "-m", "poly.press", "build", "--stored"]
            made = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
            assert made.returncode == 0, f"the stored book does not build:\n{made.stdout}\n{made.stderr}"
        assert (html / "book" / "index.html").is_file(), f"there is no book in {html}"
        server = free_server(html, 8700)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = play.chromium.launch(executable_path=path, args=paper.QUIET)
        yield Book(html, f"http://127.0.0.1:{server.server_port}/", browser)
        browser.close()
        server.shutdown()
        server.server_close()
