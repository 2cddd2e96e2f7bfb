"""Print the scores that Lighthouse gives to the finished book.

    python tests/lighthouse.py                        every page, on a phone and on a desktop
    python tests/lighthouse.py playground 06-noise    pages whose address has such a part
    python tests/lighthouse.py --runs 3 06-noise      the median of several runs

Performance is a measured time, so let the machine do nothing else meanwhile. The exit status says whether every score
is 95 or more.
"""

import argparse
import json
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.progress import track
from rich.table import Table

from npm import ROOT, npm
from poly.press import export
from poly.press.render.postprocess import page_files
from poly.press.serve import free_server

LIGHTHOUSE = "lighthouse@12.8.2"  # the last for the Node of the test packages
KINDS = ("performance", "accessibility", "best-practices", "seo")
LEAST = 95


def scores(address: str, preset: str, browser: str) -> dict[str, int]:
    """Return the scores of one page by kind."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        flags = f"--chrome-flags=--headless=new {' '.join(export.QUIET)}"
        words = ["--quiet", "--output=json", f"--output-path={report}", flags, f"--chrome-path={browser}"]
        asked = ["--preset=desktop"] if preset == "desk" else []
        done = npm(Path(folder), "exec", "--yes", "--", LIGHTHOUSE, address, *words, *asked)
        if not report.is_file():
            sys.exit(f"error: Lighthouse did not finish on {address}: {done.stderr.strip()[-300:]}")
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))["categories"]
        return {kind: round(100 * found[kind]["score"]) for kind in KINDS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="parts of the addresses of pages; all pages without one")
    parser.add_argument("--runs", type=int, default=1, help="runs of each page, of which the median counts")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html", help="the rendered book")
    asked = parser.parse_args()
    found = (path.relative_to(asked.html).as_posix() for path in page_files(asked.html))
    pages = [page for page in found if page != "index.html"]  # it only leads on
    pages = [page for page in pages if not asked.parts or any(part in page for part in asked.parts)]
    if not pages:
        sys.exit(f"error: no page in {asked.html} has {' or '.join(asked.parts) or 'been rendered yet'}")
    with sync_playwright() as play:
        browser = export.browser(play)
    table, low = Table("page", "as", *KINDS), False
    with free_server(asked.html, 8600) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for page, preset in track([(page, preset) for page in pages for preset in ("phone", "desk")], "Lighthouse"):
            address = f"http://127.0.0.1:{server.server_port}/{page}"
            runs = [scores(address, preset, browser) for _ in range(asked.runs)]
            middle = {kind: round(statistics.median(run[kind] for run in runs)) for kind in KINDS}
            low = low or min(middle.values()) < LEAST
            table.add_row(page, preset, *map(str, middle.values()))
        server.shutdown()
    Console().print(table)
    return int(low)


if __name__ == "__main__":
    sys.exit(main())
