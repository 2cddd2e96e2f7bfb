"""Compare runs of all chapters on their small grids: plain ones, and perturbed ones with the oldest instructions.

The grids are in the metadata of the parameters cells. The module ``comparison`` compares two runs.
"""

import copy
import hashlib
import json
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from poly.press import execute, figures, text_comparison
from poly.press.chapters import Page, PressError, code_cells, find_chapters, read_notebook, read_pages, sets_parameters
from poly.press.check import comparison
from poly.press.disk import atomic_write, emptied, exclusive_lock
from poly.press.execute import machine
from poly.press.execute.cache_key import chapter_key
from poly.press.execute.variants import Variant, variants
from poly.press.figures import figure_differences

# One thread each: the runs are side by side.
PLAIN = Variant(1, "native")
FOLDER = Path("_build") / "test"
RESULT = Path("_build") / "perturb-small.json"
KEPT = Path("book") / "data" / "perturb-small.json"
# The notebook that holds the cells of all chapters, and the command of IPython that forgets all names.
_NAME = "small-grids"
# Frozen objects are not looked through again: forgetting collects all garbage, which takes half a second otherwise.
_FORGET = "import gc\ngc.freeze()\n%reset -f"


def small(notebook: NotebookNode) -> dict[str, Any]:
    """Return the chapter's small grid: the values under ``poly``, ``small`` in its parameters cell's metadata."""
    cells = [cell for cell in notebook.cells if sets_parameters(cell)]
    return dict(cells[0].metadata.get("poly", {}).get("small", {})) if cells else {}


def run(root: Path, runs: Sequence[tuple[Variant, Sequence[Page]]]) -> list[list[NotebookNode]]:
    """Execute chapters on their small grids, all variants side by side, and return them with their outputs.

    All chapters of a variant run in one kernel, which forgets all names after each: starting a kernel and its imports
    takes longer than a small grid. Each variant has sweeps of its own.

    Raises:
        PressError: a chapter failed.
    """
    sources = [[_with_small(page) for page in pages] for _, pages in runs]
    jobs = []
    for (variant, pages), chapters in zip(runs, sources, strict=True):
        folder = root / FOLDER / variant.folder()
        # The keys of stored sweeps do not include libraries. Small cells take less time than processes that start.
        own = {execute.STORE: str(emptied(folder / "sweeps")), "LOKY_MAX_CPU_COUNT": "1"}
        if pages:
            every, joined = pages[0]._replace(docname=_NAME), _joined(chapters)
            # Compiling the kernels for another processor takes longer than all small grids; whole runs do it.
            variables = {name: value for name, value in variant.variables().items() if name != "NUMBA_CPU_NAME"}
            own[figures.DRAW] = "none"  # the check of chapters draws every figure
            target = folder / f"{_NAME}.ipynb"
            jobs.append(execute.Job(every, joined, target, "small", variables=variables | own, label=_label(variant)))
    try:
        execute.execute(root, jobs, max(1, len(jobs)))
    except PressError as error:
        raise PressError(_with_chapter(str(error), runs, sources)) from None
    done = iter(code_cells(read_notebook(job.target)) for job in jobs)
    return [_separated(chapters, next(done)) if chapters else [] for chapters in sources]


def _label(variant: Variant) -> str:
    return "plain" if variant.perturbed is None else f"perturbed with seed {variant.perturbed}"


def _with_small(page: Page) -> NotebookNode:
    """Read a chapter's code cells, with one after its parameters cell that sets the small grid."""
    source = read_notebook(page.path)
    grid = "\n".join(f"{name} = {value!r}" for name, value in small(source).items())
    cells = []
    for cell in code_cells(source):
        cells.append(cell)
        if sets_parameters(cell):
            cells.append(new_code_cell(grid))  # type: ignore[no-untyped-call]
    source.cells = cells
    return source


def _joined(chapters: Sequence[NotebookNode]) -> NotebookNode:
    """Join the code cells of chapters, with a cell after each that forgets its names."""
    cells = [copy.copy(cell) for chapter in chapters for cell in [*chapter.cells, new_code_cell(_FORGET)]]  # type: ignore[no-untyped-call]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # two chapters may have the same id
    return new_notebook(cells=cells, metadata=chapters[0].metadata)  # type: ignore[no-untyped-call,no-any-return]


def _separated(chapters: Sequence[NotebookNode], done: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Undo ``_joined``: return each chapter with its executed cells."""
    each, cells = [], iter(done)
    for chapter in chapters:
        own = list(islice(cells, len(chapter.cells)))
        next(cells)  # the cell that forgets
        each.append(new_notebook(cells=own, metadata=chapter.metadata))  # type: ignore[no-untyped-call]
    return each


def _with_chapter(
    error: str, runs: Sequence[tuple[Variant, Sequence[Page]]], sources: Sequence[Sequence[NotebookNode]]
) -> str:
    """Put the chapter before an error that names a code cell of the joined notebook."""
    for (variant, pages), chapters in zip(runs, sources, strict=True):
        found = re.match(rf"{_NAME}, {_label(variant)} failed in code cell (\d+)", error)
        left = int(found[1]) if found else 0
        for page, chapter in zip(pages, chapters, strict=True):
            if 0 < left <= len(chapter.cells):
                return f"{page.name}, its code cell {left}, in {error}"
            left -= len(chapter.cells) + 1
    return error


def changes(pages: Sequence[Page], one: Sequence[NotebookNode], other: Sequence[NotebookNode]) -> list[str]:
    """List the differences between two runs of these pages that exceed their levels, a line each."""
    runs = zip(pages, one, other, strict=True)
    return [f"{page.name}, {line}" for page, a, b in runs for line in comparison.compare(a, b, small=True).faults]


def perturbed_variant(seed: int) -> Variant:
    """Return the variant that is compared with a plain run: perturbed, on one thread with the oldest instructions."""
    oldest = next(each for each in reversed(variants()) if each.threads == 1)
    return oldest._replace(perturbed=seed)


def check(root: Path, seed: int) -> list[str]:
    """Execute all chapters plainly and as ``perturbed_variant`` says; list what differs, a line each."""
    pages = find_chapters(read_pages(root), [])
    with exclusive_lock(root / FOLDER):
        plain, perturbed = run(root, [(PLAIN, pages), (perturbed_variant(seed), pages)])
        return changes(pages, plain, perturbed)


class Perturbation(TypedDict):
    """The effect of one seed: what moved by more than its level, and the largest share of what a level allows."""

    faults: list[str]
    share: float


# For each chapter, a key of all that its comparison depends on, and the effect of each seed.
Known = dict[str, tuple[str, dict[str, Perturbation]]]


def perturb(root: Path, wanted: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Perturb chapters with many seeds; list what moves by more than its level, each line with its seed.

    A chapter does not run again with a seed that it has run with, here or where ``KEPT`` was made.
    ``RESULT`` stores the effect of each seed.
    """
    pages = find_chapters(read_pages(root), wanted)
    with exclusive_lock(root / FOLDER):
        known: Known = {name: (code, {}) for name, code in ((page.name, _code(root, page)) for page in pages)}
        # Where the kept code of a chapter that is not asked for is another, the result here counts.
        for path in (root / RESULT, root / KEPT):
            for name, (code, found) in _read(path).items():
                if name not in known or known[name][0] == code:
                    known[name] = code, known.get(name, (code, {}))[1] | found
        plain: dict[Page, NotebookNode] = {}
        at_once = machine.fitting(machine.cores(), machine.KERNEL)
        for first in range(0, len(seeds), at_once):
            some = {
                seed: [page for page in pages if str(seed) not in known[page.name][1]]
                for seed in seeds[first:][:at_once]
            }
            todo = {seed: missing for seed, missing in some.items() if missing}
            if not todo:
                continue
            print(
                f"── perturbations up to {first + len(some)} of {len(seeds)}, seeds {', '.join(map(str, todo))}",
                flush=True,
            )
            new = [page for page in pages if page not in plain and any(page in missing for missing in todo.values())]
            runs = [(perturbed_variant(seed), missing) for seed, missing in todo.items()]
            before, *moved = run(root, [(PLAIN, new), *runs])
            plain |= dict(zip(new, before, strict=True))
            for (seed, missing), others in zip(todo.items(), moved, strict=True):
                for page, other in zip(missing, others, strict=True):
                    code, found = known[page.name]
                    if _code(root, page) != code:
                        raise PressError(f"{page.name} changed while it ran: run this again")
                    found[str(seed)] = _did(page, plain[page], other)
                    for line in found[str(seed)]["faults"]:
                        print(f"  seed {seed}: {line}", flush=True)
            written = {name: {"code": code, "seeds": found} for name, (code, found) in known.items()}
            atomic_write(root / RESULT, json.dumps(written, indent=1, ensure_ascii=False) + "\n")
        return [
            f"seed {seed}: {line}"
            for seed in seeds
            for page in pages
            for line in known[page.name][1][str(seed)]["faults"]
        ]


def _did(page: Page, one: NotebookNode, other: NotebookNode) -> Perturbation:
    shares = [share for series in comparison.moves(one, other, small=True).values() for _, share in series.values()]
    return {"faults": changes([page], [one], [other]), "share": max(shares, default=0.0)}


def kept(root: Path) -> list[Perturbation]:
    """Read the effects of those kept seeds that all chapters have run with; return none if there is no file.

    Raises:
        PressError: the file is not such a result.
    """
    chapters = _read(root / KEPT)
    pages = find_chapters(read_pages(root), []) if chapters else []
    if not chapters or any(page.name not in chapters for page in pages):
        return []
    seeds = set.intersection(*(set(chapters[page.name][1]) for page in pages))
    each = [[chapters[page.name][1][seed] for page in pages] for seed in sorted(seeds, key=int)]
    return [
        {"faults": [line for one in every for line in one["faults"]], "share": max(one["share"] for one in every)}
        for every in each
    ]


def changed_since(root: Path) -> tuple[int, int]:
    """Count the chapters that have changed since their seeds were kept, and all chapters that are kept."""
    known = _read(root / KEPT)
    pages = [page for page in find_chapters(read_pages(root), []) if page.name in known] if known else []
    return sum(_code(root, page) != known[page.name][0] for page in pages), len(pages)


def _code(root: Path, page: Page) -> str:
    """Hash all that a comparison depends on but the processor: chapter, grid, levels, variants, comparing modules."""
    source = read_notebook(page.path)
    poly = [cell.metadata.get("poly", {}) for cell in source.cells]
    allowed = [(told.get("text"), told.get("figure")) for told in poly]
    comparing = (comparison, figure_differences, text_comparison)
    modules = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in comparing]
    parts = [chapter_key(root, source, small(source)), allowed, modules, PLAIN, perturbed_variant(0).threads]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Known:
    """Read the effects of seeds from a file; return none if there is no file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): (
                str(one["code"]),
                {
                    str(int(seed)): {"faults": list(did["faults"]), "share": float(did["share"])}
                    for seed, did in one["seeds"].items()
                },
            )
            for name, one in found.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PressError(f'{path}: not a result of `make perturb ARGS="--small"` ({error!r})') from None
