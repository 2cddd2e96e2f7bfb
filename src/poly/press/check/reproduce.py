"""Check that the stored numbers hold with other threads, instruction sets and hash seeds, and with perturbed starts.

``matrix`` executes every chapter completely in each variant, and compares it with the stored outputs. Finished runs are
not repeated. The result is merged with those of other processors. The book shows the copy of it at ``KEPT``.
"""

import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from nbformat import NotebookNode
from rich.table import Table

from poly.press import execute
from poly.press.chapters import Page, PressError, find_chapters, read_notebook, read_pages
from poly.press.check import comparison, stored_outputs
from poly.press.disk import atomic_write, exclusive_lock
from poly.press.execute import machine, provenance
from poly.press.execute.cache_key import chapter_key
from poly.press.execute.progress import console, duration
from poly.press.execute.variants import Variant, variants

KEPT = Path("book") / "data" / "reproduce.json"
FOLDER = Path("_build") / "reproduce"
RESULT = Path("_build") / "reproduce.json"
# What poly.experiments.perturbed_archive writes. It is not imported: no command of the press should wait for torch.
KEPT_RUNS = Path("book") / "data" / "perturbed-runs.json"
PERTURBATIONS = 2
# How many times slower the oldest instructions are; for the estimate of the duration.
_SLOWER = 2.0
_COUNTED = ("cells", "claims", "figures")
Row = dict[str, Any]


def commit_seed(root: Path) -> int:
    """Return the seed of this commit: the same for everybody, and another for the next commit; 0 without a history."""
    commit = str(provenance.book(root)["commit"]).split(" ")[0]
    return 0 if commit == "unknown" else int(commit[:8], 16)


def every_variant(root: Path) -> list[Variant]:
    """List all variants of the matrix: threads and instruction sets, then perturbations."""
    return [*variants(), *perturbations(root, PERTURBATIONS)]


def perturbations(root: Path, times: int, first: int | None = None) -> list[Variant]:
    """List `times` perturbed variants with seeds from `first` on; None: from the seed of this commit on."""
    seed = commit_seed(root) if first is None else first
    return [Variant(2, "native", seed + k) for k in range(times)]


def matrix(root: Path, wanted: Sequence[str], asked: Sequence[Variant]) -> None:
    """Compare chapters in several variants with their stored outputs; print the table, and write ``RESULT``.

    Args:
        root: the folder of the book.
        wanted: the chapters; if empty, all.
        asked: the variants.

    Raises:
        PressError: there is no variant, stored outputs are stale or incomplete, or a number differs by more than its
            level allows.
    """
    if not asked:
        raise PressError(f"no such variant here; there are {', '.join(map(str, variants()))}")
    pages = find_chapters(read_pages(root), wanted)
    if stale := stored_outputs.faults(root, pages):
        raise PressError(f"{stale[0]}: there is nothing to hold the variants against; `make record` first")
    sources = {page: read_notebook(page.path) for page in pages}
    keys = {page: chapter_key(root, source) for page, source in sources.items()}
    with exclusive_lock(root / FOLDER):
        known, kept = _known(root), rows(root / KEPT)
        moves, texts = perturbed(kept), changed_texts(kept)
        todo = {variant: [page for page in pages if not _done(root, variant, page, keys[page])] for variant in asked}
        _print_expected_time(todo, sources)
        done: list[Row] = []
        for variant in asked:
            print(f"── {variant}", flush=True)
            started = time.monotonic()
            jobs = [execute.Job(page, sources[page], _path(root, variant, page), keys[page]) for page in todo[variant]]
            failed = _execute(root, variant, jobs)
            for page in pages:
                compare = partial(comparison.compare, perturbed=moves, texts=texts.get(page.name))
                done.append(_row(root, variant, page, keys[page], sources[page], failed.get(page), compare))
                for fault in done[-1]["faults"]:
                    print(f"  {page.name}, {fault}")
            print(f"  {_held(done[-len(pages) :])}; {duration(time.monotonic() - started)}", flush=True)
            _keep(root, known, done)
    console().print(_shown(done))
    print(f"written {RESULT}; a copy at {KEPT} is what the book shows")
    if any(row["faults"] for row in done):
        raise PressError(f"not every number held in every variant; {RESULT} has them all")


def _execute(root: Path, variant: Variant, jobs: list[execute.Job]) -> dict[Page, str]:
    """Execute all chapters, even if some fail, and return those that failed with the first line of the error."""
    # The keys of stored sweeps include neither libraries nor the processor, so these name the folder.
    made_by = zlib.crc32(f"{provenance.book(root)['requirements']} {provenance.processor()}".encode())
    store = root / FOLDER / variant.folder() / f"sweeps-{made_by:08x}"
    failed: dict[Page, str] = {}
    while left := [job for job in jobs if job.page not in failed and not _done(root, variant, job.page, job.key)]:
        try:
            own = {**variant.variables(), execute.STORE: str(store)}
            execute.execute(root, [job._replace(variables=own) for job in left])
            break
        except PressError as error:
            line = str(error).splitlines()[0]
            guilty = [job.page for job in left if line.startswith(job.page.name)]
            if not guilty:
                raise
            failed[guilty[0]] = line
    return failed


def kept_runs(root: Path, seed: int) -> None:
    """Run networks of each kept sweep again, perturbed, and write the result for the book."""
    command = [sys.executable, "-m", "poly.experiments.perturbed_archive", "book/data", "--store", str(FOLDER / "kept")]
    command += ["--seed", str(seed)]
    if subprocess.run(command, cwd=root, env=execute.environment(root, 1), check=False).returncode:
        raise PressError("kept networks could not be run again")


def _path(root: Path, variant: Variant, page: Page) -> Path:
    return root / FOLDER / variant.folder() / f"{page.name}.ipynb"


def _done(root: Path, variant: Variant, page: Page, key: str) -> bool:
    path = _path(root, variant, page)
    if execute.stamp_of(path) != (key, execute.PYTHON):
        return False
    return provenance.stamp(read_notebook(path)).get("processor") == provenance.processor()


def _print_expected_time(todo: Mapping[Variant, Sequence[Page]], sources: Mapping[Page, NotebookNode]) -> None:
    """Print how many runs are to do, and estimate their duration from the times of the stored runs."""
    seconds = 0.0
    for variant, pages in todo.items():
        slower = _SLOWER if variant.instructions == "default" else 1.0
        for page in pages:
            seconds += slower * provenance.run_seconds(sources[page])
    workers = machine.fitting(machine.cores(), machine.KERNEL)
    number = sum(map(len, todo.values()))
    print(f"{number} runs of chapters to do, about {duration(seconds / workers)} where nothing else runs", flush=True)


def _row(
    root: Path,
    variant: Variant,
    page: Page,
    key: str,
    source: NotebookNode,
    failed: str | None,
    compare: Callable[[NotebookNode, NotebookNode], comparison.Comparison],
) -> Row:
    row: Row = {"processor": provenance.processor(), **variant._asdict(), "chapter": page.name, "key": key}
    if failed is not None:
        everything = compare(source, source)
        nothing = {name: [0, getattr(everything, name)[1]] for name in _COUNTED}
        return row | {"commit": provenance.book(root)["commit"], "seconds": 0.0, **nothing, "faults": [failed]}
    done = read_notebook(_path(root, variant, page))
    stamp, found = provenance.stamp(done), compare(source, done)
    row |= {"commit": stamp.get("commit", "unknown"), "seconds": round(float(stamp.get("seconds", 0.0)), 1)}
    row |= {name: list(getattr(found, name)) for name in _COUNTED} | {"faults": found.faults}
    row |= {"moved": comparison.moves(source, done)}
    return row if variant.perturbed is None else row | {"texts": comparison.changed_texts(source, done)}


def _known(root: Path) -> list[Row]:
    """Read what is known of chapters that exist; each row has the commit that it is of."""
    names = {page.name for page in read_pages(root)}
    return [row for row in [*rows(root / KEPT), *rows(root / RESULT)] if row["chapter"] in names]


def _keep(root: Path, known: Sequence[Row], done: Sequence[Row]) -> None:
    """Write the new rows, and known rows of other variants, processors and chapters."""
    found = {_identity(row): row for row in known}
    found.update({_identity(row): row for row in done})
    text = json.dumps({"runs": list(found.values())}, indent=1, ensure_ascii=False)
    atomic_write(root / RESULT, f"{text}\n")


def _identity(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("processor", *Variant._fields, "chapter"))


def rows(path: Path) -> list[Row]:
    """Read the rows of a result; return none if there is no file.

    Raises:
        PressError: the file is not such a result.
    """
    if not path.is_file():
        return []
    try:
        found = list(json.loads(path.read_text(encoding="utf-8"))["runs"])
        for row in found:
            _ = _identity(row), row["key"], row["faults"], row["seconds"], *(map(sum, (row[name] for name in _COUNTED)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PressError(f"{path}: not a result of `make reproduce` ({error!r})") from None
    return found


def perturbed(kept: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Find the largest move of each series in the perturbations among kept rows, by figure."""
    found: dict[str, dict[str, float]] = {}
    for row in kept:
        # A row with faults is left out: what a fault moved explains nothing.
        explains = row["perturbed"] is not None and not row["faults"]
        for figure, series in (row.get("moved", {}) if explains else {}).items():
            known = found.setdefault(figure, {})
            known.update({name: max(size, known.get(name, 0.0)) for name, (size, _) in series.items()})
    return found


def changed_texts(kept: Iterable[Row]) -> dict[str, set[str]]:
    """Find the cells whose text a perturbation among kept rows changed, by chapter; others are not listed."""
    found: dict[str, set[str]] = {}
    for row in kept:
        if "texts" in row:
            found.setdefault(row["chapter"], set()).update(row["texts"])
    return found


def _held(done: Sequence[Row]) -> str:
    """Say in words how many of the compared cells, claims and figures hold."""
    parts = [f"{sum(row[name][0] for row in done)} of {sum(row[name][1] for row in done)} {name}" for name in _COUNTED]
    return ", ".join(parts) + " hold"


class Line(NamedTuple):
    """A line of the table: for one variant on one processor, "held/of" for cells, claims and figures."""

    commits: str
    processor: str
    threads: int
    says: str
    chapters: int
    held: list[str]
    seconds: float
    faults: str


def summary(rows: Iterable[Row]) -> list[Line]:
    """Summarize rows: one line for each variant on each processor, with the commits of its chapters."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(_identity(row)[:-1], []).append(row)
    lines = []
    for (processor, threads, instructions, seed), group in groups.items():
        commits = ", ".join(sorted({str(row["commit"])[:7] for row in group}))
        held = [f"{sum(row[name][0] for row in group)}/{sum(row[name][1] for row in group)}" for name in _COUNTED]
        faults = "; ".join(f"{row['chapter']}, {fault}" for row in group for fault in row["faults"])
        says = instructions if seed is None else f"{instructions}, seed {seed}"
        time_taken = sum(row["seconds"] for row in group)
        lines.append(Line(commits, processor, threads, says, len(group), held, time_taken, faults))
    return lines


def _shown(found: Sequence[Row]) -> Table:
    table = Table("threads", "instructions", "chapters", *_COUNTED, "time", box=None, header_style="bold")
    for line in summary(found):
        table.add_row(str(line.threads), line.says, str(line.chapters), *line.held, duration(line.seconds))
    return table
