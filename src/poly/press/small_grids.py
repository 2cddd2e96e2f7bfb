"""All chapters on their small grids: as they are, on the oldest instructions, and with starts moved in a last digit.

The grids are in the metadata of the parameters cells. Two runs are compared as ``comparison`` does.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from nbformat import NotebookNode

from poly.press import comparison, execute
from poly.press.chapters import Page, PressError, emptied, find_chapters, read_notebook, read_pages, write_whole
from poly.press.keys import chapter_key
from poly.press.variants import Variant, variants

FOLDER = Path("_build") / "test"
RESULT = Path("_build") / "perturb-small.json"
KEPT = Path("book") / "data" / "perturb-small.json"


def small(notebook: NotebookNode) -> dict[str, Any]:
    """The chapter's small grid: the values that its parameters cell keeps in its metadata, under poly, small."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return dict(cells[0].metadata.get("poly", {}).get("small", {})) if cells else {}


def run(root: Path, pages: Sequence[Page], variant: Variant) -> list[NotebookNode]:
    """Execute chapters on their small grids, with sweeps of their own, and return them with their outputs."""
    folder = root / FOLDER / variant.folder()
    jobs = []
    for page in pages:
        source = read_notebook(page.path)
        jobs.append(execute.Job(page, source, folder / f"{page.name}.ipynb", "small", small(source)))
    # Libraries are not in the keys of what is stored. Small cells take less time than starting a process for them.
    own = {execute.STORE: str(emptied(folder / "sweeps")), "LOKY_MAX_CPU_COUNT": "1"}
    execute.execute(root, jobs, variables=variant.variables() | own)
    return [read_notebook(job.target) for job in jobs]


def changes(pages: Sequence[Page], one: Sequence[NotebookNode], other: Sequence[NotebookNode]) -> list[str]:
    """What two runs of these pages say differently, beyond its level; a line each."""
    runs = zip(pages, one, other, strict=True)
    return [f"{page.name}, {line}" for page, a, b in runs for line in comparison.compare(a, b, small=True).faults]


def check(root: Path, seed: int) -> list[str]:
    """What differs by more than its level on the oldest instructions, and perturbed, from the chapters as they are."""
    pages = find_chapters(read_pages(root), [])
    plain = run(root, pages, Variant(2, "native"))
    found = [f"oldest instructions: {line}" for line in changes(pages, plain, run(root, pages, variants()[-2]))]
    moved = run(root, pages, Variant(2, "native", seed))
    return found + [f"perturbed with seed {seed}: {line}" for line in changes(pages, plain, moved)]


class Perturbation(TypedDict):
    """What one seed did: what moved by more than its level, and the largest share of what a level allows."""

    faults: list[str]
    share: float


def perturb(root: Path, wanted: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Perturb chapters with many seeds; what moves by more than its level, each line with its seed.

    A seed that these chapters have been run with is not run again. ``RESULT`` holds what each of them did.
    """
    pages = find_chapters(read_pages(root), wanted)
    code = {page.name: _code(root, page) for page in pages}
    known = _known(root, code)
    plain: list[NotebookNode] | None = None
    for number, seed in enumerate(seeds, 1):
        if str(seed) in known:
            continue
        print(f"── perturbation {number} of {len(seeds)}, seed {seed}", flush=True)
        plain = plain or run(root, pages, Variant(2, "native"))
        moved = run(root, pages, Variant(2, "native", seed))
        shares = [
            share
            for one, other in zip(plain, moved, strict=True)
            for series in comparison.moves(one, other).values()
            for _, share in series.values()
        ]
        known[str(seed)] = {"faults": changes(pages, plain, moved), "share": max(shares, default=0.0)}
        for line in known[str(seed)]["faults"]:
            print(f"  {line}", flush=True)
        text = json.dumps({"code": code, "seeds": known}, indent=1, ensure_ascii=False)
        write_whole(root / RESULT, f"{text}\n")
    return [f"seed {seed}: {line}" for seed in seeds for line in known[str(seed)]["faults"]]


def kept(root: Path) -> list[Perturbation]:
    """What the kept perturbations did; none where there is no file.

    Raises:
        PressError: another file.
    """
    path = root / KEPT
    if not path.is_file():
        return []
    try:
        return [{"faults": list(one["faults"]), "share": float(one["share"])} for one in _read(path)["seeds"].values()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PressError(f'{path}: not a result of `make perturb ARGS="--small"` ({error!r})') from None


def _code(root: Path, page: Page) -> str:
    """A key of the chapter and its small grid."""
    source = read_notebook(page.path)
    return chapter_key(root, source, small(source))


def _known(root: Path, code: Mapping[str, str]) -> dict[str, Perturbation]:
    """What earlier runs of the same chapters did, by seed."""
    try:
        found = _read(root / RESULT)
        return dict(found["seeds"]) if found["code"] == code else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
