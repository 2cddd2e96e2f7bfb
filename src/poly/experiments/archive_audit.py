"""Check stored sweeps against today's code: ``python -m poly.experiments.archive_audit book/data/flow-runs``.

Every file is stored with a hash of the code that made it. If today's code has another hash, some cells of the file are
recomputed. If they agree with the file, today's hash is stored. The old hash, the number of recomputed cells, and the
largest difference are stored with it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poly import checks, sweep
from poly.experiments import adamw_archive
from poly.sweep import archive, code_objects
from poly.sweep.hashing import code_hash

CELLS = 2
# With other processor instructions AdamW changes a few winners (``perturbed_archive`` measures the shares).
LEAST_SHARE = 0.9
# The relative change of a double by sums in another order; BLAS divides sums between threads.
LAST_DIGITS = 1e-12
# The relative change of a result of gradient flow by another instruction set.
ROUNDING = 1e-6
# The change of the mean number of shared neurons by another instruction set: this share of it, or one neuron if that is
# more; about twice what perturbations moved.
COUNTS = 0.1
# How far the mean impurity of networks trained on minibatches may move with another instruction set, on which single
# networks end elsewhere: about twice what it differs between pilots' seeds.
IMPURITY = 0.1

# Runs of one method, by function or module. All others follow gradient flow, unless a point names a method.
_METHODS = {"adamw_variants": "adamw", "meeting": "adamw", "related": "adamw", "rectified": "adamw"} | dict.fromkeys(
    ("purity", "portrait", "digits", "parity", "transformers"), "adam"
)


class Kept(NamedTuple):
    """A stored file: the sweep that made it, its rows, and its provenance."""

    path: Path
    run: Callable[..., Any]
    grid: Mapping[str, Sequence[Any]]
    paired: Sequence[str]
    rows: sweep.Table
    made: Mapping[str, Any]


def stale(folder: Path) -> list[str]:
    """List the stale files of a folder, one line each: those that today's code has not made.

    Args:
        folder: with ``provenance.json``.

    Raises:
        ValueError: a folder without it, or a damaged one.
    """
    lines = []
    for name, made in _provenance(folder).items():
        if not (folder / name).exists():
            lines.append(f"{folder / name}: stale: it is gone, and {archive.PROVENANCE} has it")
            continue
        function = archive.spec(folder / name)["sweep"][0] if name.startswith("kept-") else adamw_archive.RUN
        run = code_objects.find(function)
        if run is None:
            lines.append(f"{folder / name}: stale: it was made by {function}, which does not exist; see --rename")
        elif (now := code_hash(run)) != (was := str(made.get("code", "unknown"))):
            lines.append(f"{folder / name}: stale: it was made by other code ({was[:8]}, now {now[:8]})")
    return lines


def method_of(run: Callable[..., Any], point: Mapping[str, Any]) -> str:
    """Return how a run trains at a point: "flow", "adamw", "adam", or "optimizers" for any other."""
    if "optimizer" in point:
        return "flow" if point["optimizer"] == "flow" else "optimizers"
    names = run.__name__, run.__module__.rpartition(".")[2]
    return str(point.get("method") or next((_METHODS[name] for name in names if name in _METHODS), "flow"))


def audit(folder: Path, *, cells: int = CELLS, every: bool = False) -> list[str]:
    """Recompute cells of stale files, and store the new hash of each file that agrees.

    Args:
        folder: of kept files, with their provenance.
        cells: how many of each file, ≥ 1: seeds of one point, both chosen by the new hash.
        every: whether files that are not stale are checked, too.

    Returns:
        What differs, a line each; empty where all files hold.

    Raises:
        ValueError: cells, a damaged file, or a file of a function that does not exist.
    """
    checks.count("cells", cells)
    faults = []
    for name, made in _provenance(folder).items():
        one = _load(folder / name, made)
        code = code_hash(one.run)
        if code == one.made.get("code") and not every:
            continue
        found = _again(one, code, cells)
        print(f"{one.path}: {found}", flush=True)
        if found["holds"]:
            _note(one.path, code, found)
        else:
            faults.append(f"{one.path}: cells computed again differ: {found}")
    return faults


def _provenance(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / archive.PROVENANCE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): dict(made) for name, made in found.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: no provenance of kept files ({error})") from None


def _load(path: Path, made: Mapping[str, Any]) -> Kept:
    if path.name.startswith("kept-"):
        (function, grid, paired), rows = archive.spec(path)["sweep"], archive.read(path)
        run = code_objects.find(function)
        if run is None:
            raise ValueError(f"{path}: was made by {function}, which does not exist; see --rename")
        now = {old: new for new, old in sweep.stream_names(run).items()}
        rows = rows.rename(columns=now)
        points = {now.get(argument, argument): values for argument, values in grid}
        return Kept(path, run, points, [now.get(argument, argument) for argument in paired], rows, made)
    rows = adamw_archive.read(path)
    return Kept(path, *adamw_archive.requested(int(rows.m[0]), float(rows.l1[0])), rows, made)


def _again(one: Kept, code: str, cells: int) -> dict[str, Any]:
    """Recompute cells of one point, and compare."""
    rng = np.random.default_rng(int(code[:8], 16))
    point = {name: values[int(rng.integers(len(values)))] for name, values in one.grid.items()}
    point = {name: tuple(value) if isinstance(value, list) else value for name, value in point.items()}
    rows = sweep.rows_at(one.rows, **{name: value for name, value in point.items() if name in one.rows})
    rows = rows.reset_index(drop=True)
    chosen = np.sort(rng.choice(len(rows), size=min(cells, len(rows)), replace=False))
    before = rows.iloc[chosen]
    grid = {name: [value] for name, value in point.items()}
    seeds = [int(seed) for seed in before.seed]
    after = sweep.sweep(one.run, grid, seeds=seeds, paired=one.paired, progress=False)
    columns = [name for name in before if name not in {*point, "seed"}]
    largest = max(_difference(before[name], after[name]) if name in after else np.inf for name in columns)
    here = archive.machine()["capability"] == one.made.get("capability")
    holds, share = largest <= LAST_DIGITS, None
    if not holds and not here:
        share = _same_winners(before, after) if "feature" in before else None
        counts = [name for name in before if name.endswith("shared")]
        if "impurity" in before and not counts:
            holds = _mean_difference(before.impurity, after.impurity) <= IMPURITY
        elif method_of(one.run, point) == "flow":
            holds = largest <= ROUNDING
        elif share is not None:
            holds = share >= LEAST_SHARE
        elif counts:
            was, now = (np.mean([np.mean(row) for name in counts for row in table[name]]) for table in (before, after))
            holds = abs(now - was) <= max(COUNTS * was, 1.0)
    # Where whole numbers differ, there is no largest difference.
    found = {"cells": len(seeds), "of": len(one.rows), "largest": largest if np.isfinite(largest) else None}
    found["holds"] = bool(holds)
    return found | ({} if share is None else {"winners": round(share, 4)})


def _difference(before: Sequence[Any], after: Sequence[Any]) -> float:
    """Return the largest difference of floats, relative above 1; infinite if whole numbers or shapes differ."""
    largest = 0.0
    for one, other in zip(before, after, strict=True):
        a = np.asarray(one)
        b = np.asarray(other).astype(a.dtype)  # the stored type may be shorter
        if a.shape != b.shape or (a.dtype.kind != "f" and not np.array_equal(a, b)):
            return float("inf")
        if a.dtype.kind == "f" and not np.array_equal(a, b, equal_nan=True):
            with np.errstate(invalid="ignore"):
                off = np.abs(a.astype(float) - b) / np.maximum(np.abs(a), 1.0)
            largest = max(largest, float(np.nan_to_num(off, nan=np.inf).max()))
    return largest


def _mean_difference(before: Sequence[Any], after: Sequence[Any]) -> float:
    """Return the mean size of the differences, but for entries that are NaN on both sides."""
    a, b = (np.concatenate([np.asarray(each, float).ravel() for each in side]) for side in (before, after))
    return float(np.abs(a - b)[~(np.isnan(a) & np.isnan(b))].mean())


def _same_winners(before: sweep.Table, after: sweep.Table) -> float:
    from poly.experiments import perturbed_archive  # noqa: PLC0415  # it imports every stored sweep

    pairs = zip(before.to_dict("records"), after.to_dict("records"), strict=True)
    return float(np.mean([perturbed_archive.same_winners(a, b) for a, b in pairs]))


def _note(path: Path, code: str, found: Mapping[str, Any]) -> None:
    """Store the hash of today's code, and the result of the audit, in the provenance of the file."""
    folder, name = path.parent, path.name
    known = _provenance(folder)  # read again, because the audit of the previous file has changed it
    seen = {key: value for key, value in found.items() if key != "holds"}
    seen |= {"old": known[name].get("code"), "new": code, "date": time.strftime("%Y-%m-%d", time.gmtime())}
    known[name]["audits"] = [*known[name].get("audits", []), seen | archive.machine()]
    known[name]["code"] = code
    archive.write_json(folder / archive.PROVENANCE, known)


def main() -> int:
    """Audit folders of stored sweeps; return 1 if a file does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="folder", help="of kept sweeps")
    parser.add_argument("--cells", type=int, default=CELLS, help="to compute of each stale file (default %(default)s)")
    parser.add_argument("--every", action="store_true", help="files that are not stale, too")
    parser.add_argument("--list", action="store_true", help="only say which files are stale")
    parser.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"), help="first write a function's new full name")
    parser.add_argument("--columns", action="append", default=[], metavar="OLD=NEW", help="and of a result; repeatable")
    options = parser.parse_args()
    try:
        if options.rename:
            old, new = options.rename
            columns = dict(name.split("=", 1) if "=" in name else (name, "") for name in options.columns)
            if not all(name.isidentifier() for pair in columns.items() for name in pair):
                raise ValueError(f"columns: {' '.join(options.columns)}, must be of the form OLD=NEW")
            renamed = [path for folder in options.folders for path in archive.rename(folder, old, new, columns)]
            if not renamed:
                raise ValueError(
                    f"--rename {old}: no file was made by it; give the full name, as in {adamw_archive.RUN}"
                )
            for path in renamed:
                print(f"{path}: renamed")
        faults = []
        for folder in options.folders:
            faults += stale(folder) if options.list else audit(folder, cells=options.cells, every=options.every)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for line in faults:
        print(line)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
