"""Check on one machine whether numbers hold where rounding differs: starts are moved in their last digit.

``whole`` executes chapters perturbed, at the paper's scale, and holds them against the stored outputs. ``small``
executes them on their small grids, as they are and perturbed, and compares the two. A number that moves by more than
its level allows has the wrong level.
"""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from poly import perturb
from poly.press import execute, figure_data, provenance, reproduce
from poly.press.chapters import PressError, find_chapters, read_pages
from poly.press.progress import duration

RESULT = Path("_build") / "perturb.json"


def chosen(root: Path) -> int:
    """Return the seed of this commit: the same for all who check it, another for the next; 0 without a history."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return int(found.stdout[:8], 16) if found.returncode == 0 else 0


def whole(root: Path, wanted: Sequence[str], seeds: Sequence[int]) -> None:
    """Execute chapters perturbed, and print each number that is not as stored at its level.

    Args:
        root: the book.
        wanted: the chapters; none: all.
        seeds: of the perturbations, one run of all chapters each.

    Raises:
        PressError: a number that moved by more than its level allows.

    A copy of the result at ``reproduce.PERTURBED`` lets a failing test say whether perturbation explains it.
    """
    pages = find_chapters(read_pages(root), wanted)
    rows = []
    for number, seed in enumerate(seeds, 1):
        started = time.monotonic()
        print(f"── perturbation {number} of {len(seeds)}, seed {seed}", flush=True)
        found = reproduce.chapters(root, pages, {perturb.VARIABLE: str(seed)} | execute.EXACT_ANEW)
        for fault in found["faults"]:
            print(f"  {fault}")
        seconds = round(time.monotonic() - started, 1)
        print(f"  {found['cells']} cells and {found['figures']} figures hold; {duration(seconds)}", flush=True)
        moved = {
            name: figure_data.moves(stored, new)
            for _, name, stored, new in reproduce.drawn(pages, root / reproduce.FIGURES)
            if new is not None
        }
        rows.append({"seed": seed, "seconds": seconds, "moved": moved} | found)
        result = {"book": provenance.book(root), "processor": provenance.processor(), "runs": rows}
        (root / RESULT).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if any(row["faults"] for row in rows):
        raise PressError(f"some numbers moved by more than their level allows; all of them are in {RESULT}")


def small(root: Path, wanted: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Return what perturbations change on the small grids, beyond its level; each line names its seed."""
    pages = find_chapters(read_pages(root), wanted)
    threads = reproduce.Variant(2, "native")
    plain = reproduce.run_small(root, pages, threads, "plain")
    found = []
    for seed in seeds:
        moved = reproduce.run_small(root, pages, threads, "perturbed", {perturb.VARIABLE: str(seed)})
        for page, one, other in zip(pages, plain, moved, strict=True):
            found += [f"{page.name}, seed {seed}: {line}" for line in reproduce.compare(one, other)]
    return found
