"""Verify the book for a reader: execute all chapters from a clean state, and compare with the published ledger."""

import json
import shutil
from pathlib import Path
from typing import Any

from rich.table import Table

from poly.press import claims, execute, record
from poly.press.chapters import PressError, find_chapters, read_notebook, read_pages
from poly.press.check import comparison
from poly.press.claims import ledger
from poly.press.disk import exclusive_lock
from poly.press.execute.cache_key import chapter_key
from poly.press.execute.progress import console

Record = dict[str, Any]


def verify(root: Path, against: Path | None = None) -> None:
    """Execute every chapter again, and print how each claim compares with the published one: held, moved or fell.

    Args:
        root: the folder of the book.
        against: a published ``claims.json``; None: the records stored in the chapters.

    Raises:
        PressError: a verdict is not as published, or a figure's numbers are not as stored.
    """
    pages = find_chapters(read_pages(root), [])
    entries = record.registered(root)
    sources = record.stored(pages)
    published = _read(against) if against else [each for page in pages for each in ledger.records(sources[page])]
    folder = root / "_build" / "verify"
    with exclusive_lock(folder):
        for name in ("executed", "sweeps"):
            shutil.rmtree(folder / name, ignore_errors=True)
        own = {execute.STORE: str(folder / "sweeps")} | execute.EXACT_RECOMPUTED
        jobs = []
        for page, source in sources.items():
            target = folder / "executed" / f"{page.name}.ipynb"
            jobs.append(execute.Job(page, source, target, chapter_key(root, source), variables=own))
        execute.execute(root, jobs)
        executed = [read_notebook(job.target) for job in jobs]
    now = {each["id"]: each for notebook in executed for each in ledger.records(notebook)}
    rows = [compare_claim(each, now.get(each["id"])) for each in published if each["measured"] is not None]
    table = Table("claim", "published", "now", "", box=None, header_style="bold")
    for name, was, is_now, says in rows:
        digits = entries[name].digits if name in entries else 6
        table.add_row(name, _shown(was, digits), _shown(is_now, digits), says)
    console().print(table)
    moved = [
        f"{page.name}, {line}"
        for (page, source), notebook in zip(sources.items(), executed, strict=True)
        for line in comparison.figure_changes(source, notebook)
    ]
    for line in moved:
        print(line)
    held = sum(says == "held" for *_, says in rows)
    fell = [name for name, *_, says in rows if says.startswith("fell")]
    print(f"{held} of {len(rows)} claims held to the last digit shown, {len(rows) - held - len(fell)} moved")
    if fell:
        raise PressError(f"the verdict changed for {', '.join(fell)}")
    if moved:
        raise PressError("some figures' numbers are not as stored")


def compare_claim(published: Record, now: Record | None) -> tuple[str, Record, Record, str]:
    """Compare a claim with its published record: it holds, moved within its verdict, or has another verdict."""
    if now is None:
        return published["id"], published, {}, "fell: not measured"
    if published["verdict"] != now["verdict"]:
        says = f"fell: {published['verdict']} is now {now['verdict']}"
    elif all(published[key] == now[key] for key in ("measured", "low", "high")):
        says = "held"
    else:
        change, width = now["measured"] - published["measured"], published["high"] - published["low"]
        share = f", {abs(change) / width:.0%} of its interval" if width else ""
        says = f"moved by {change:+.3g}{share}"
    return published["id"], published, now, says


def _shown(record: Record, digits: int) -> str:
    return f"{claims.measurement(record, digits)}, {record['verdict']}" if record else "—"


def _read(path: Path) -> list[Record]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for each in found:
            _ = each["id"], each["measured"], each["low"], each["high"], each["verdict"]
    except OSError as error:
        raise PressError(f"--against {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise PressError(f"--against {path}: no claims.json of this book: {error!r}") from None
    return list(found)
