"""Whether the stored numbers hold elsewhere: other numbers of threads, other instruction sets, other hash seeds.

``matrix`` runs every chapter under nbval, and compares the figures' numbers, in each variant. ``reduced`` executes
every chapter on a small grid in two variants that differ in all of this, and compares these two with each other.
"""

import json
import platform
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from nbformat import NotebookNode
from rich.console import Console
from rich.table import Table

from poly.press import execute, figure_data, figures, ledger, markup, provenance
from poly.press.chapters import Page, PressError, code_cells, figures_of, find_chapters, read_notebook, read_pages

KEPT = Path("book") / "data" / "reproduce.json"
RESULT = Path("_build") / "reproduce.json"
FIGURES = Path("_build") / "test" / "figures"
SWEEPS = Path("_build") / "test" / "sweeps"
# What each library is told; "native" is what it chooses on this processor.
INSTRUCTIONS: dict[str, dict[str, str]] = {
    "native": {},
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NUMBA_CPU_NAME": "haswell",
    },
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NUMBA_CPU_NAME": "nehalem",
    },
}
_X86 = ("x86_64", "AMD64")


class Variant(NamedTuple):
    """How a chapter is executed."""

    threads: int
    instructions: str

    def variables(self) -> dict[str, str]:
        """The environment that makes it so, with a hash seed of its own."""
        threads = dict.fromkeys(execute.THREAD_VARIABLES, str(self.threads))
        return threads | INSTRUCTIONS[self.instructions] | {"PYTHONHASHSEED": str(random.randrange(2**32))}

    def __str__(self) -> str:
        return f"{self.threads} thread{'s'[: self.threads > 1]}, {self.instructions}"


def variants() -> list[Variant]:
    """The matrix; other processors than x86 have no names for instruction sets here."""
    sets = INSTRUCTIONS if platform.machine() in _X86 else ("native",)
    return [Variant(threads, name) for name in sets for threads in (1, 2)]


def matrix(root: Path, wanted: Sequence[str] = ()) -> None:
    """Check every stored number in every variant, print the table, and keep it for the book."""
    pages = find_chapters(read_pages(root), wanted)
    rows = []
    for variant in variants():
        started = time.monotonic()
        print(f"── {variant}", flush=True)
        found = chapters(root, pages, variant.variables() | execute.EXACT_ANEW)
        seconds = round(time.monotonic() - started, 1)
        rows.append({"threads": variant.threads, "instructions": variant.instructions, "seconds": seconds} | found)
        for fault in found["faults"]:
            print(f"  {fault}")
    result = {"book": provenance.book(root), "processor": provenance.processor(), "variants": rows}
    (root / RESULT).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = Table("threads", "instructions", "cells", "figures", "seconds", box=None, header_style="bold")
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("threads", "instructions", "cells", "figures", "seconds")))
    Console().print(table)
    print(f"written {RESULT}; a copy at {KEPT} is what the book shows")
    if any(row["faults"] for row in rows):
        raise PressError("not every number held in every variant")


def chapters(root: Path, pages: Sequence[Page], variables: Mapping[str, str]) -> dict[str, Any]:
    """Run the chapters under nbval with these variables; how many cells and figures held, and what did not."""
    variables = {**variables, execute.STORE: _empty(root / SWEEPS)}
    cases = _nbval(root, pages, variables)
    # A chapter of which no cell ran had no kernel: two that start at once may have taken the same port.
    lost = [page for page in pages if not any(held for where, _, held in cases if where == page.name)]
    for page in lost:
        cases = [case for case in cases if case[0] != page.name] + _nbval(root, [page], variables)
    failed = [f"{where}, {name} differs" for where, name, held in cases if not held]
    wrong, number = figure_faults(pages, root / FIGURES)
    lost_figures = len({line.split(",")[1] for line in wrong})
    return {
        "cells": f"{len(cases) - len(failed)} of {len(cases)}",
        "figures": f"{number - lost_figures} of {number}",
        "faults": [*failed, *wrong] if cases else ["nbval ran no cell"],
    }


def _empty(folder: Path) -> str:
    """For sweeps that nobody has run before: libraries are not in the keys of what is stored."""
    shutil.rmtree(folder, ignore_errors=True)
    return str(folder)


def _nbval(root: Path, pages: Sequence[Page], variables: Mapping[str, str]) -> list[tuple[str, str, bool]]:
    """For each cell its chapter, its name, and whether it held; the figures' numbers go to their folder."""
    folder, report = root / FIGURES, root / FIGURES.parent / "nbval.xml"
    folder.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    for page in pages:
        for figure in figures_of(read_notebook(page.path)):
            (folder / f"{figure['name']}.json").unlink(missing_ok=True)
    files = [str(page.path.relative_to(root)) for page in pages]
    workers = str(min(provenance.cores(), len(files)))
    options = ["-q", "-n", workers, "--dist", "loadscope", "-p", "no:cacheprovider", f"--junitxml={report}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", *files, *options],
        cwd=root,
        env={**execute.environment(root, provenance.cores()), **variables, figures.FOLDER: str(folder)},
        check=False,
    )
    if not report.is_file():
        raise PressError("nbval ended without a report")
    return [
        (
            case.get("classname", "").removeprefix("book.").removesuffix(".ipynb"),
            case.get("name", ""),
            case.find("failure") is None and case.find("error") is None,
        )
        for case in ElementTree.parse(report).iter("testcase")
    ]


def figure_faults(pages: Sequence[Page], folder: Path) -> tuple[list[str], int]:
    """Where figures that were just drawn are not as stored, series by series; and how many are stored."""
    found, number = [], 0
    for page in pages:
        for figure in figures_of(read_notebook(page.path)):
            number += 1
            name, path = figure["name"], folder / f"{figure['name']}.json"
            if not path.is_file():
                found.append(f"{page.name}, {name}, was not drawn")
                continue
            new = figure_data.unpack(json.loads(path.read_text(encoding="utf-8")))
            lines = figure_data.differences(figure_data.unpack(figure["data"]), new)
            found += [f"{page.name}, {name}, {line}" for line in lines]
    return found, number


def reduced(root: Path) -> list[str]:
    """What differs between runs on small grids: one thread with old instructions, two threads with the newest."""
    runs = []
    pages = find_chapters(read_pages(root), [])
    for variant in (variants()[-2], Variant(2, "native")):
        folder = root / "_build" / "test" / f"{variant.instructions}-{variant.threads}"
        jobs = []
        for page in pages:
            source = read_notebook(page.path)
            values = small(source)
            jobs.append(execute.Job(page, source, folder / f"{page.name}.ipynb", str(variant), values))
        execute.execute(root, jobs, variables={**variant.variables(), execute.STORE: _empty(root / SWEEPS)})
        runs.append([read_notebook(job.target) for job in jobs])
    return [f"{page.name}: {line}" for page, *pair in zip(pages, *runs, strict=True) for line in compare(*pair)]


def small(notebook: NotebookNode) -> dict[str, Any]:
    """The chapter's small grid: the values that its parameters cell keeps in its metadata, under poly, small."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return dict(cells[0].metadata.get("poly", {}).get("small", {})) if cells else {}


def compare(one: NotebookNode, other: NotebookNode) -> list[str]:
    """What two runs of a chapter say differently: printed lines, cards, and figures at their levels."""
    found = []
    for number, (a, b) in enumerate(zip(code_cells(one), code_cells(other), strict=True), 1):
        before, after = _texts(a), _texts(b)
        if before != after:
            pairs = zip("\n".join(before).split("\n"), "\n".join(after).split("\n"), strict=False)
            was, now = next((pair for pair in pairs if pair[0] != pair[1]), ("", "more or fewer lines"))
            found.append(f"cell {number} says {now!r}, and said {was!r}")
    for card, again in zip(ledger.records(one), ledger.records(other), strict=True):
        if card != again:
            found.append(f"claim {card['id']}: {card} and {again}")
    return found + figure_changes(one, other)


def figure_changes(one: NotebookNode, other: NotebookNode) -> list[str]:
    """Where the figures of two runs do not plot the same numbers, at the level of the first."""
    return [
        f"{figure['name']}, {line}"
        for figure, drawn in zip(figures_of(one), figures_of(other), strict=True)
        for line in figure_data.differences(figure_data.unpack(figure["data"]), figure_data.unpack(drawn["data"]))
    ]


def _texts(cell: NotebookNode) -> list[str]:
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    return [re.sub(r"0x[0-9a-f]+", "0x…", text) for text in texts]


def tables(root: Path) -> dict[str, str]:
    """The table of variants, by the name of its place."""
    kept = root / KEPT
    if not kept.is_file():
        return {"variants": "Not run yet.\n"}
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        rows = ""
        for row in found["variants"]:
            held = [row["cells"].replace(" of ", "/"), row["figures"].replace(" of ", "/")]
            shown = [row["threads"], row["instructions"], *held, "; ".join(row["faults"]) or "none"]
            rows += f"| {' | '.join(markup.plain(text) for text in shown)} |\n"
        where = markup.plain(f"Run on {found['processor']} at commit {found['book']['commit']}.")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PressError(f"{KEPT.as_posix()}: not a result of `make reproduce` ({error!r})") from None
    head = "| threads | instructions | cells | figures | failed |\n|---:|---|---:|---:|---|\n"
    return {"variants": f"{where}\n\n{head}{rows}"}
