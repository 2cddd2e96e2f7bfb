"""Repeat stored runs from starts moved in the last digit: ``python -m poly.experiments.perturbed_archive FOLDER``.

Some networks of every stored point are trained again, perturbed (``perturb``), and compared with the stored ones. The
results are the share of winners that stay, and the changes of counts and other numbers. With the same store, an
interrupted run continues where it stopped.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from poly import perturb, sweep
from poly.experiments import (
    adamw_archive,
    archive_audit,
    beyond_archive,
    final_weights,
    flow_archive,
    purity_archive,
    surgery_archive,
    tasks_archive,
)
from poly.sweep import archive

NAME = "perturbed-runs.json"
SEED = 1
FLOW, ADAMW, PURITY, TASKS = "flow-runs", "adamw-runs", "purity-runs", "tasks-runs"
SURGERY, BEYOND = "surgery-runs", "beyond-runs"
_FIRST_DRAWS = [purity_archive.FIRST_DRAW + k for k in range(2)]
_FIRST_SPLITS = [tasks_archive.FIRST + k for k in range(2)]
# Points of the sweeps that have many, or train many networks in each cell; of all other sweeps, every point.
FEW: dict[str, dict[str, Sequence[Any]]] = {
    "purity": {"m": [16, 64], "draw": _FIRST_DRAWS},
    "purity-long": {"draw": _FIRST_DRAWS},
    "purity-long-few": {"draw": _FIRST_DRAWS},
    "digits": {"split": [tasks_archive.FIRST + k for k in range(4)]},
    "digits-validation": {"split": _FIRST_SPLITS},
    "images": {"split": _FIRST_SPLITS},
    "images-validation": {"split": _FIRST_SPLITS},
    "scarce": {"m": [12, 24, 32]},
    "meeting-0.001": {"p": [3e-4, 1 / 32]},
    "changed": {"m": [12, 24, 32]},
    "parity": {"draw": [tasks_archive.FIRST + k for k in range(4)]},
}
# Cells of each sweep; a cell of ``final_weights.count`` has many networks.
CELLS = 2


class Asked(NamedTuple):
    """A stored sweep: its name, its arguments, and its rows."""

    name: str
    run: Callable[..., Any]
    grid: Mapping[str, Sequence[Any]]
    paired: Sequence[str]
    rows: sweep.Table


def kept_sweeps(folder: Path, cells: int = CELLS) -> Iterator[Asked]:
    """Yield every stored sweep with its first cells of each point; of some sweeps only the points in ``FEW``.

    Args:
        folder: with the folders of ``flow_archive``, ``adamw_archive``, ``purity_archive``, ``tasks_archive``,
            ``surgery_archive`` and ``beyond_archive``.
        cells: of each point, ≥ 1.

    Raises:
        ValueError: a folder that lacks them, or a damaged file.
    """
    for name, asked in flow_archive.sweeps().items():
        rows = archive.load_or_run(folder / FLOW, **(asked | {"seeds": cells}))
        yield Asked(name, asked["run"], asked["grid"], asked["paired"], rows)
    for name, (run, grid, networks, paired) in adamw_archive.VARIANTS.items():
        rows = archive.load_or_run(folder / ADAMW, run, grid, seeds=min(cells, networks), paired=paired)
        yield Asked(name, run, grid, paired, rows)
    known = adamw_archive.load(folder / ADAMW)
    for m, l1 in adamw_archive.SETTINGS:
        rows = known[(known.m == m) & (known.l1 == l1) & (known.seed < cells)].reset_index(drop=True)
        run, grid, paired = adamw_archive.requested(m, l1)
        yield Asked(f"m{m:04d}-l1-{l1:g}", run, grid, paired, rows)
    parts = ((PURITY, purity_archive), (TASKS, tasks_archive), (BEYOND, beyond_archive))
    for place, kept in parts:
        for name, asked in kept.sweeps().items():
            some = asked | {"grid": asked["grid"] | FEW.get(name, {}), "seeds": min(cells, asked["seeds"])}
            rows = archive.load_or_run(folder / place, **some)
            yield Asked(name, some["run"], some["grid"], some["paired"], rows)
    for name, asked in surgery_archive.sweeps().items():
        rows = archive.load_or_run(folder / SURGERY, **(asked | {"seeds": cells}))
        yield Asked(name, asked["run"], asked["grid"], asked["paired"], rows)


def compare_rerun(
    name: str, method: str, point: Mapping[str, Any], before: sweep.Table, after: sweep.Table
) -> dict[str, Any]:
    """Compare the stored networks of one point with their perturbed reruns.

    Args:
        name, point: of the sweep.
        method: how it trains there (``archive_audit.method_of``).
        before, after: a row for each cell, in the same order.

    Returns:
        ``share``: for each network, the share of winners with the same neuron and sign, if the sweep lists winners.
            ``shared``: the mean number of polysemantic neurons before and after, if there are counts. ``other_count``:
            how many networks have another count. ``moved``: the largest change of every other number; if there is an
            impurity, the largest change of an arm's mean impurity and of its mean ln loss.
    """
    found: dict[str, Any] = {"sweep": name, "method": method, **point}
    if "impurity" in before and "shared" not in before:
        sides = [{k: np.stack(t[k].tolist()) for k in ("impurity", "loss")} for t in (before, after)]
        means = [(side["impurity"].mean(0), np.log(side["loss"]).mean(0)) for side in sides]
        moved = [float(np.nanmax(np.abs(b - a), initial=0.0)) for a, b in zip(*means, strict=True)]
        return found | {"networks": len(before), "moved": dict(zip(("impurity", "ln loss"), moved, strict=True))}
    if "feature" in before:
        pairs = [(a, b) for (_, a), (_, b) in zip(before.iterrows(), after.iterrows(), strict=True)]
        found["networks"] = len(pairs)
        found["share"] = [round(same_winners(a, b), 6) for a, b in pairs]
        counts = np.array([[final_weights.polysemantic_neurons(row) for row in pair] for pair in pairs])
    elif "shared" in before:
        columns = [column for column in before if column.endswith("shared")]
        counts = np.stack(
            [np.concatenate([np.ravel(x) for column in columns for x in t[column]]) for t in (before, after)], 1
        )
        found["networks"] = len(counts)
    else:
        found["networks"] = len(before)
        ends = [column for column in before if column not in {*point, "seed", "n", "m", "l1", "method", "records"}]
        found["moved"] = {
            str(column): max(
                float(np.nanmax(np.abs(np.asarray(b, float) - np.asarray(a, float)), initial=0.0))
                for a, b in zip(before[column], after[column], strict=True)
            )
            for column in ends
        }
        return found
    found["shared"] = [float(side) for side in counts.mean(0)]
    found["other_count"] = int((counts[:, 0] != counts[:, 1]).sum())
    return found


def same_winners(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """Return the share of features with the same winning neuron and sign before and after.

    Features with a winner neither before nor after are left out.
    """
    sides = [final_weights.winners(row) for row in (before, after)]
    ends = [dict(zip(w.feature.tolist(), zip(w.neuron, w.positive, strict=True), strict=True)) for w in sides]
    features = ends[0].keys() | ends[1].keys()
    return sum(ends[0].get(i) == ends[1].get(i) for i in features) / len(features) if features else 1.0


def others(path: Path, chosen: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Read the earlier results of the sweeps that this run does not repeat.

    Raises:
        ValueError: there is no such file, it is damaged, or its perturbation had another seed.
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        rows, was = [row for row in known["points"] if row["sweep"] not in chosen], known["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no results of perturbed runs ({error!r})") from None
    if was != seed:
        raise ValueError(f"seed={seed}: the other results in {path} have seed {was}, must be the same")
    return rows


def main() -> None:
    """Run the stored sweeps again, and write the comparison beside them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the kept runs are, such as book/data")
    parser.add_argument("--store", type=Path, help="where single cells are kept until all is done")
    parser.add_argument("--seed", type=int, default=SEED, help="of the perturbation (default %(default)s)")
    parser.add_argument("--sweeps", nargs="+", metavar="NAME", help="only these; the results of others stay")
    options = parser.parse_args()
    os.environ[perturb.VARIABLE] = str(options.seed)
    every = list(kept_sweeps(options.folder))
    chosen = options.sweeps or [asked.name for asked in every]
    if unknown := set(chosen) - {asked.name for asked in every}:
        parser.error(f"--sweeps {unknown.pop()}: must be one of {', '.join(asked.name for asked in every)}")
    rows = others(options.folder / NAME, chosen, options.seed) if options.sweeps else []
    for asked in (asked for asked in every if asked.name in chosen):
        started = time.perf_counter()
        cells = int(asked.rows.seed.max()) + 1
        found = sweep.sweep(asked.run, asked.grid, seeds=cells, paired=asked.paired, store=options.store)
        names = [name for name, values in asked.grid.items() if name in found and name != "keep_overlap"]
        for values, after in found.groupby(names, sort=False):
            point = dict(
                zip(names, [value.item() if hasattr(value, "item") else value for value in values], strict=True)
            )
            before = sweep.rows_at(asked.rows, **{name: value for name, value in point.items() if name in asked.rows})
            rows.append(compare_rerun(asked.name, archive_audit.method_of(asked.run, point), point, before, after))
        print(f"{asked.name}: {time.perf_counter() - started:.0f} s", flush=True)
    result = {
        "seed": options.seed,
        **archive.made(),
        "points": rows,
    }
    archive.write_json(options.folder / NAME, result)


if __name__ == "__main__":
    main()
