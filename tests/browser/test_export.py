"""The exported book: the PDF's pages, bookmarks and links; the zip archive, opened from the file system."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from pypdf import PdfReader

from opened import ROOT, Book
from poly.press import export
from poly.press.chapters import read_pages


@pytest.fixture(scope="module")
def out(book: Book) -> Path:
    if not (book.html.parent / "stage").is_dir():
        pytest.skip(f"{book.html} has no stage beside it")
    return book.html.parent


def titles(outline: Any, depth: int = 2) -> list[str]:
    """Return the titles of a PDF's bookmarks, down to this depth."""
    found = []
    for entry in outline:
        if not isinstance(entry, list):
            found.append(str(entry.title))
        elif depth > 1:
            found += titles(entry, depth - 1)
    return found


def test_the_pdf_holds_the_whole_book(out: Path) -> None:
    # Playwright runs once in a thread, and the fixture has it: print from another process.
    command = f"from pathlib import Path; from poly.press import export; print(export.pdf(Path({str(out)!r})))"
    done = subprocess.run([sys.executable, "-c", command], check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    reader = PdfReader(done.stdout.strip().splitlines()[-1])
    assert 100 < len(reader.pages) < 400
    assert reader.metadata is not None
    assert reader.metadata.title == "What Causes Polysemanticity? Put to the test"
    bookmarks = titles(reader.outline)
    assert bookmarks[0].strip() == "What Causes Polysemanticity? Put to the test"
    assert len(bookmarks) >= len(read_pages(ROOT)) - 1
    text = "\n".join(page.extract_text() for page in reader.pages)
    for claim in yaml.safe_load((ROOT / "book" / "claims.yml").read_text(encoding="utf-8")):
        assert claim in text
    assert "Show the code" not in text
    assert "Solution" in text
    assert sum(len(page.get("/Annots", [])) for page in reader.pages) > 400
    assert sum(len(page.images) for page in reader.pages) > 40


def test_the_zip_opens_from_the_file_system(book: Book, out: Path, tmp_path: Path) -> None:
    first = export.archive(out)
    content = first.read_bytes()
    assert export.archive(out).read_bytes() == content
    with zipfile.ZipFile(first) as file:
        file.extractall(tmp_path)
    failed: list[str] = []
    with book.browser.new_context() as context:
        tab = context.new_page()
        tab.on("requestfailed", lambda request: failed.append(f"{request.url}: {request.failure}"))
        tab.goto((tmp_path / export.NAME / "index.html").as_uri())
        tab.wait_for_url("**/book/index.html")
        for page in ("playground.html", "appendix-adamw.html"):
            tab.goto((tmp_path / export.NAME / "book" / page).as_uri())
        tab.locator(".explore svg").first.wait_for(timeout=10000)
    assert [each for each in failed if "ERR_ABORTED" not in each] == []  # the next page was asked for
