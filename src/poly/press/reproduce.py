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
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from nbformat import NotebookNode
from rich.table import Table

from poly import perturb
from poly.press import execute, figure_data, figures, ledger, machine, markup, provenance, sockets, texts
from poly.press.chapters import Page, PressError, code_cells, figures_of, find_chapters, read_notebook, read_pages
from poly.press.figure_data import FigureData
from poly.press.progress import console

KEPT = Path("book") / "data" / "reproduce.json"
PERTURBED = Path("book") / "data" / "perturb.json"
RESULT = Path("_build") / "reproduce.json"
FIGURES = Path("_build") / "test" / "figures"
SWEEPS = Path("_build") / "test" / "sweeps"
# What each library is told; "native" is what it chooses on this processor. numpy is told what to leave out.
INSTRUCTIONS: dict[str, dict[str, str]] = {
    "native": {},
    "avx512": {
        "ATEN_CPU_CAPABILITY": "avx512",
        "MKL_CBWR": "AVX512",
        "OPENBLAS_CORETYPE": "SkylakeX",
        "NUMBA_CPU_NAME": "skylake-avx512",
    },
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NUMBA_CPU_NAME": "haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    },
    "default": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NUMBA_CPU_NAME": "nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    },
}
# How `glue` keeps a text.
_GLUED = "application/papermill.record/text/plain"
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
    """The matrix: what this processor has; other processors than x86 have no names for instruction sets here."""
    import torch  # noqa: PLC0415  # slow to import, and the commands that render import this module

    sets = list(INSTRUCTIONS) if platform.machine() in _X86 else ["native"]
    if "avx512" in sets and torch.backends.cpu.get_cpu_capability() != "AVX512":
        sets.remove("avx512")
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
    console().print(table)
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
    wrong, number = figure_faults(pages, root / FIGURES, perturbed(root))
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
    workers = str(machine.fitting(min(machine.cores(), len(files)), machine.KERNEL))
    options = ["-q", "-n", workers, "--dist", "loadscope", "-p", "no:cacheprovider", f"--junitxml={report}"]
    with sockets.folder(root) as private:
        own = {figures.FOLDER: str(folder), "JUPYTER_RUNTIME_DIR": private}
        subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", *files, *options],
            cwd=root,
            env={**execute.environment(root, machine.cores()), **variables, **own},
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


def figure_faults(
    pages: Sequence[Page], folder: Path, perturbed: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[list[str], int]:
    """Where figures that were just drawn are not as stored, series by series; and how many are stored."""
    found, number = [], 0
    for page, name, stored, new in drawn(pages, folder):
        number += 1
        if new is None:
            found.append(f"{page.name}, {name}, was not drawn")
            continue
        lines = figure_data.differences(stored, new, (perturbed or {}).get(name))
        found += [f"{page.name}, {name}, {line}" for line in lines]
    return found, number


def drawn(pages: Sequence[Page], folder: Path) -> Iterator[tuple[Page, str, FigureData, FigureData | None]]:
    """Each stored figure with its page and name, and as it was just drawn, if it was."""
    for page in pages:
        for figure in figures_of(read_notebook(page.path)):
            path = folder / f"{figure['name']}.json"
            new = figure_data.unpack(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
            yield page, figure["name"], figure_data.unpack(figure["data"]), new


def perturbed(root: Path) -> dict[str, dict[str, float]]:
    """By figure and series, the largest move that kept perturbations made; empty where none are kept."""
    path = root / PERTURBED
    if not path.is_file():
        return {}
    found: dict[str, dict[str, float]] = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["runs"]:
        for figure, series in row["moved"].items():
            known = found.setdefault(figure, {})
            known.update({name: max(size, known.get(name, 0.0)) for name, size in series.items()})
    return found


def run_small(
    root: Path, pages: Sequence[Page], variant: Variant, name: str, variables: Mapping[str, str] | None = None
) -> list[NotebookNode]:
    """Execute chapters on their small grids, in a folder of this name, and return them with their outputs."""
    jobs = []
    for page in pages:
        source = read_notebook(page.path)
        target = root / "_build" / "test" / name / f"{page.name}.ipynb"
        jobs.append(execute.Job(page, source, target, name, small(source)))
    every = {**variant.variables(), **(variables or {}), execute.STORE: _empty(root / SWEEPS)}
    execute.execute(root, jobs, variables=every)
    return [read_notebook(job.target) for job in jobs]


class Small(NamedTuple):
    """What differs between runs on small grids, a line each.

    ``faults``: between instruction sets, where no perturbation moves anything. ``moved``: what perturbations move by
    more than its level allows; these levels are not true yet on small grids, where few networks are behind a number.
    """

    faults: list[str]
    moved: list[str]


def reduced(root: Path, seeds: Sequence[int]) -> Small:
    """Execute all chapters on small grids: as they are, with the oldest instructions, and perturbed with each seed."""
    pages = find_chapters(read_pages(root), [])
    newest, oldest = Variant(2, "native"), variants()[-2]
    plain = run_small(root, pages, newest, "plain")

    def changes(runs: Sequence[NotebookNode]) -> list[str]:
        found = zip(pages, plain, runs, strict=True)
        return [f"{page.name}, {line}" for page, one, other in found for line in compare(one, other)]

    moved: dict[str, str] = {}
    for seed in seeds:
        runs = run_small(root, pages, newest, "perturbed", {perturb.VARIABLE: str(seed)})
        moved |= {_place(line): f"seed {seed}: {line}" for line in changes(runs)}
    faults = [line for line in changes(run_small(root, pages, oldest, "oldest")) if _place(line) not in moved]
    return Small(faults, sorted(moved.values()))


def _place(line: str) -> str:
    """Where a change is: the cell or the claim of a chapter, or the series of a figure."""
    return re.split(r"(?<=')\[| says |: ", line, maxsplit=1)[0]


def small(notebook: NotebookNode) -> dict[str, Any]:
    """The chapter's small grid: the values that its parameters cell keeps in its metadata, under poly, small."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return dict(cells[0].metadata.get("poly", {}).get("small", {})) if cells else {}


def compare(one: NotebookNode, other: NotebookNode) -> list[str]:
    """What two runs of a chapter say differently: printed and glued text, cards, and figures at their levels."""
    found = []
    for number, (a, b) in enumerate(zip(code_cells(one), code_cells(other), strict=True), 1):
        before, after, allowed = _texts(a), _texts(b), texts.rule(a.metadata, small=True)
        if len(before) != len(after) or not all(map(texts.same, before, after, repeat(allowed))):
            pairs = zip("\n".join(before).split("\n"), "\n".join(after).split("\n"), strict=False)
            was, now = next((p for p in pairs if not texts.same(*p, allowed)), ("", "more or fewer lines"))
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
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        shown.append(output.get("text") or data.get("text/plain") or data.get(_GLUED, ""))
    return [re.sub(r"0x[0-9a-f]+", "0x…", text) for text in shown]


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
