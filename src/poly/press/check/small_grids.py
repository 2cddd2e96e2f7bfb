"""Compare runs of all chapters on their small grids: plain ones, and perturbed ones on the oldest instructions.

The grids are in the metadata of the parameters cells. The module ``comparison`` compares two runs.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from nbformat import NotebookNode

from poly.press import execute, texts
from poly.press.chapters import (
    Page,
    PressError,
    atomic_write,
    emptied,
    exclusive_lock,
    find_chapters,
    read_notebook,
    read_pages,
)
from poly.press.check import comparison
from poly.press.execute import provenance
from poly.press.execute.cache_key import chapter_key
from poly.press.execute.variants import Variant, variants

PLAIN = Variant(2, "native")
FOLDER = Path("_build") / "test"
RESULT = Path("_build") / "perturb-small.json"
KEPT = Path("book") / "data" / "perturb-small.json"


def small(notebook: NotebookNode) -> dict[str, Any]:
    """Return the chapter's small grid: the values under ``poly``, ``small`` in its parameters cell's metadata."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return dict(cells[0].metadata.get("poly", {}).get("small", {})) if cells else {}


def run(root: Path, runs: Sequence[tuple[Variant, Sequence[Page]]]) -> list[list[NotebookNode]]:
    """Execute chapters on their small grids, all variants side by side, and return them with their outputs.

    Each variant has sweeps of its own.
    """
    jobs: list[list[execute.Job]] = []
    for variant, pages in runs:
        folder = root / FOLDER / variant.folder()
        label = "plain" if variant.perturbed is None else "perturbed"
        # The keys of stored sweeps do not include libraries. Small cells take less time than processes that start.
        own = {execute.STORE: str(emptied(folder / "sweeps")), "LOKY_MAX_CPU_COUNT": "1"}
        told = variant.variables() | own
        jobs.append([])
        for page in pages:
            source, target = read_notebook(page.path), folder / f"{page.name}.ipynb"
            jobs[-1].append(execute.Job(page, source, target, "small", small(source), told, label))
    execute.execute(root, [job for each in jobs for job in each])
    return [[read_notebook(job.target) for job in each] for each in jobs]


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

    A chapter does not run again with a seed that it has run with. ``RESULT`` stores the effect of each seed.
    """
    pages = find_chapters(read_pages(root), wanted)
    with exclusive_lock(root / FOLDER):
        known: Known = {name: (code, {}) for name, code in ((page.name, _code(root, page)) for page in pages)}
        for name, (code, found) in _read(root / RESULT).items():
            if name not in known or known[name][0] == code:
                known[name] = code, found
        plain: dict[Page, NotebookNode] = {}
        for number, seed in enumerate(map(str, seeds), 1):
            todo = [page for page in pages if seed not in known[page.name][1]]
            if not todo:
                continue
            print(f"── perturbation {number} of {len(seeds)}, seed {seed}", flush=True)
            new = [page for page in todo if page not in plain]
            first, moved = run(root, [(PLAIN, new), (perturbed_variant(int(seed)), todo)])
            plain |= dict(zip(new, first, strict=True))
            for page, other in zip(todo, moved, strict=True):
                code, found = known[page.name]
                if _code(root, page) != code:
                    raise PressError(f"{page.name} changed while it ran: run this again")
                found[seed] = _did(page, plain[page], other)
                for line in found[seed]["faults"]:
                    print(f"  {line}", flush=True)
            written = {name: {"code": code, "seeds": found} for name, (code, found) in known.items()}
            atomic_write(root / RESULT, json.dumps(written, indent=1, ensure_ascii=False) + "\n")
        return [
            f"seed {seed}: {line}"
            for seed in seeds
            for page in pages
            for line in known[page.name][1][str(seed)]["faults"]
        ]


def _did(page: Page, one: NotebookNode, other: NotebookNode) -> Perturbation:
    shares = [share for series in comparison.moves(one, other).values() for _, share in series.values()]
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


def _code(root: Path, page: Page) -> str:
    """Hash all that a comparison depends on: chapter, grid, levels, the comparing modules and the processor."""
    source = read_notebook(page.path)
    poly = [cell.metadata.get("poly", {}) for cell in source.cells]
    allowed = [(told.get("text"), told.get("figure")) for told in poly]
    modules = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (comparison, texts)]
    parts = [chapter_key(root, source, small(source)), allowed, modules, provenance.processor()]
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
