"""Run the main commands of the press: build the book, record chapters, execute one chapter, clean up."""

import contextlib
import hashlib
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict
from rich.table import Table

from poly.press import execute, markup, record, render
from poly.press.chapters import Page, PressError, code_cells, figures_of, find_chapters, read_notebook, read_pages
from poly.press.check import stored_outputs
from poly.press.claims import ledger
from poly.press.disk import exclusive_lock, remove
from poly.press.execute import parameters
from poly.press.execute.cache_key import chapter_key
from poly.press.execute.progress import console, duration


def build(root: Path, workers: int | None = None) -> None:
    """Execute what changed, render the book, and print a table of the chapters and the path to open."""
    out = root / "_build"
    with exclusive_lock(out):
        pages = read_pages(root)
        record.registered(root)  # report a faulty entry now, not by a cell that fails after minutes
        render.repair(out)
        results = execute.up_to_date(root, find_chapters(pages, []), workers)
        notebooks = {result.page: result.notebook for result in results}
        for fault in ledger.faults(record.registered(root), notebooks):
            print(f"note: {fault}")
        _render(root, out, pages, notebooks)
    _table(results)
    print(f"open {_front_page(out)}")


def build_stored(root: Path) -> None:
    """Render the stored outputs into `_build/stored/html` and execute nothing."""
    out = root / "_build" / "stored"
    with exclusive_lock(out):
        pages = read_pages(root)
        chapters = find_chapters(pages, [])
        notebooks = record.stored(chapters)
        for fault in stored_outputs.faults(root, chapters):
            print(f"note: {fault}")
        _render(root, out, pages, notebooks)
    print(f"open {_front_page(out)}")


def export_book(root: Path, what: str, *, stored: bool, workers: int | None = None) -> None:
    """Build the book, and export it as a PDF or a zip."""
    from poly.press import export  # noqa: PLC0415  # only this command needs playwright

    if what == "pdf":
        export.check()
    if stored:
        build_stored(root)
    else:
        build(root, workers)
    out = root / "_build" / "stored" if stored else root / "_build"
    with exclusive_lock(out):
        made = export.pdf(out) if what == "pdf" else export.archive(out)
    print(f"open {made}, {made.stat().st_size / 1e6:.1f} MB")


def record_chapters(
    root: Path, wanted: Sequence[str], *, dry_run: bool, every: bool = False, workers: int | None = None
) -> None:
    """Execute what changed, show how the outputs differ from the stored ones, and store them."""
    with exclusive_lock(root / "_build"):
        record.registered(root)  # report a faulty entry now, not by a cell that fails after minutes
        results = execute.up_to_date(root, find_chapters(read_pages(root), wanted), workers)
        record.record(root, results, dry_run=dry_run, every=every)


def build_chapter(root: Path, wanted: str, words: Sequence[str]) -> None:
    """Execute one chapter with other parameters, and render the book with it in a folder of its own."""
    pages = read_pages(root)
    record.registered(root)
    page = find_chapters(pages, [wanted])[0]
    source = read_notebook(page.path)
    values = parameters.read_parameters(words, parameters.known_parameters(source, page.name), page.name)
    out = root / "_build" / "chapter" / page.name / _slug(values)
    target = out / f"{Path(page.name).name}.ipynb"
    with exclusive_lock(out):
        try:
            execute.execute(root, [execute.Job(page, source, target, chapter_key(root, source, values), values)])
        except PressError:
            if not target.exists():
                shutil.rmtree(out)  # it holds no result
            raise
        notebooks = {other: _latest(root, other) for other in find_chapters(pages, [])}
        changed = _with_note(read_notebook(target), values)
        _render(root, out, pages, {**notebooks, page: changed}, strict=False)
    print(f"executed {target}")
    print(f"open {out / 'html' / f'{page.docname}.html'}")


def clean(root: Path) -> None:
    """Remove `_build`; if it is a link or a mount point, remove its content only."""
    out = root / "_build"
    with exclusive_lock(out):
        for path in out.iterdir():
            if path.name != "lock":
                remove(path)
    remove(out / "lock")
    with contextlib.suppress(OSError):
        out.rmdir()


def _with_note(notebook: NotebookNode, values: dict[str, Any]) -> NotebookNode:
    """Insert a note under the title that lists changed parameters: text and predictions are for the defaults."""
    if values:
        listed = ", ".join(f"<code>{markup.plain(f'{name} = {value}')}</code>" for name, value in values.items())
        text = (
            f":::{{warning}}\nExecuted with other parameters: {listed}. Numbers and figures are of this run. The text "
            "between them, the predictions and so the verdicts are for the chapter's own parameters.\n:::"
        )
        note: Any = {"cell_type": "markdown", "id": "other-parameters", "metadata": {}, "source": text}
        notebook.cells.insert(1, from_dict(note))  # type: ignore[no-untyped-call]
    return notebook


def _slug(values: dict[str, Any]) -> str:
    """Make a folder name of parameter values: readable, and distinct for distinct values."""
    text = ",".join(f"{name}={value}" for name, value in sorted(values.items())) or "defaults"
    plain = re.sub(r"[^\w=,.+-]+", "_", text)
    if plain == text and len(text) <= 80:
        return text
    return f"{plain[:60]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _latest(root: Path, page: Page) -> NotebookNode:
    """Read a chapter with its newest outputs: those of the last build, else the stored ones, if any."""
    try:
        return read_notebook(execute.executed_path(root, page))
    except (OSError, PressError):
        return read_notebook(page.path)


def _render(
    root: Path,
    out: Path,
    pages: list[Page],
    notebooks: dict[Page, NotebookNode],
    *,
    strict: bool = True,
) -> None:
    started = time.monotonic()
    with console(stderr=True).status("rendering the pages"):
        done = render.render(root, out, pages, notebooks, strict=strict)
    print(f"rendered in {duration(time.monotonic() - started)}" if done else "the rendered book is up to date")


def _table(results: Sequence[execute.Result]) -> None:
    table = Table("chapter", box=None, header_style="bold")
    for heading in ("seconds", "cells", "figures"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for result in results:
        table.add_row(
            result.page.name,
            f"{result.seconds:.1f}",
            str(len(code_cells(result.notebook))),
            str(len(figures_of(result.notebook))),
            "unchanged, not executed again" if result.cached else "",
        )
    console().print(table)


def _front_page(out: Path) -> Path:
    return out / "html" / "index.html"
