"""Compute the paper's counts by AdamW as released, and store them: ``python -m poly.experiments.adamw_archive FOLDER``.

This takes some two hours on two cores. Each width is a file, written when it is complete. Existing files stay, and an
interrupted run continues where it stopped. Beside them lie the variants: other sizes, and runs with one change at a
time.
"""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from poly import sweep
from poly.experiments import adamw_variants, final_weights, trajectories
from poly.files import atomic_write
from poly.sweep import archive, code_objects

N, NETWORKS = 256, 16
WIDTHS = tuple(range(256, 4097, 256))
# Width and λ: figure 2, and figure 3 where the paper's own λ matters most.
SETTINGS = ((256, 1e-3), (256, 1e-2), (256, 1e-1), *((m, 1e-3) for m in WIDTHS[1:]))
# The heat map of figure 4 has this width; the mean over networks is stored.
HEAT_MAP = 4096
# Parsed from decimal text: the last bit of a power may depend on the processor, and stored sweeps would not match.
L1S_PHASES = [float(f"{digit}e{exponent}") for exponent in range(-5, 0) for digit in (1, 2, 5)] + [1.0]
# Each variant has its run, grid, number of networks, and paired arguments. Requests must use the same values.
_WIDE: dict[str, Sequence[Any]] = {"n": [32], "m": [4096], "l1": [0.032]}
_CHANGED = ("l1", "isolated", "step_refinement")
VARIANTS: dict[str, tuple[Callable[..., Any], dict[str, Sequence[Any]], int, tuple[str, ...]]] = {
    "wide": (final_weights.train, _WIDE | {"method": ["adamw"]}, 16, ("l1", "method")),
    "wide-finer": (adamw_variants.variant, _WIDE | {"isolated": [False], "step_refinement": [4]}, 8, _CHANGED),
    "wide-apart": (adamw_variants.variant, _WIDE | {"isolated": [True], "step_refinement": [1]}, 64, _CHANGED),
    "phases": (
        adamw_variants.phases,
        {"n": [16], "m": [256, 1024, 4096], "l1": L1S_PHASES},
        2,
        (),
    ),
    "apart": (
        adamw_variants.variant,
        {"n": [N], "m": [256, 512, 1024, 2048, 4096], "l1": [1e-3], "isolated": [True], "step_refinement": [1]},
        1,
        _CHANGED,
    ),
    "lambda": (
        adamw_variants.variant,
        {"n": [N], "m": [256], "l1": [1e-3, 1e-1], "isolated": [False], "step_refinement": [1]},
        24,
        ("l1", "step_refinement"),
    ),
    "followed": (
        trajectories.trajectory,
        {"n": [N], "m": [512], "l1": [1e-3], "method": ["adamw"], "records": [41]},
        2,
        ("l1", "method", "records"),
    ),
}
RUN = code_objects.full_name(final_weights.train)  # the function for a width
_LISTED = ("feature", "neuron", "weight", "start", "rank")
_TYPES = {"feature": np.uint16, "neuron": np.uint16, "weight": np.float32, "start": np.float32, "rank": np.uint16}


def requested(m: int, l1: float) -> tuple[Callable[..., Any], dict[str, Sequence[Any]], tuple[str, ...]]:
    """Return the sweep of one width: its run, its grid, and the paired arguments."""
    grid: dict[str, Sequence[Any]] = {"n": [N], "m": [m], "l1": [l1], "method": ["adamw"]}
    return final_weights.train, grid | {"keep_overlap": [m == HEAT_MAP]}, ("l1", "method", "keep_overlap")


def compute(m: int, l1: float, *, seeds: int | Sequence[int], store: Path | None = None) -> sweep.Table:
    """Recompute the runs of one width: a row for each network, as ``final_weights.train`` returns it."""
    run, grid, paired = requested(m, l1)
    return sweep.sweep(run, grid, seeds=seeds, store=store, paired=paired)


def load(folder: Path | str) -> sweep.Table:
    """Load all stored networks: a row for each, as ``compute`` returns it, but without the overlaps.

    Raises:
        ValueError: a folder without such files, or a file that is none of them.
    """
    files = sorted(Path(folder).glob("m*.npz"))
    if not files:
        raise ValueError(f"{folder}: holds no runs; `python -m poly.experiments.adamw_archive {folder}` makes them")
    return pd.concat([read(path) for path in files], ignore_index=True)


def both_methods(
    folders: tuple[Path | str, Path | str], n: int, widths: Sequence[int], l1s: Sequence[float], *, networks: int
) -> dict[str, sweep.Table]:
    """Return networks that begin at the same starts, by gradient flow ("flow") and by AdamW as released ("adamw").

    Stored ones are loaded, others are trained. AdamW's stored networks are all those of 256 features at these λ.

    Args:
        folders: of stored runs, by gradient flow and by AdamW.
        n, widths, l1s: features, numbers of neurons, and λ, code units.
        networks: for each width and λ.
    """
    grid: dict[str, Sequence[Any]] = {"n": [n], "m": widths, "l1": l1s}
    asked: dict[str, Any] = {"seeds": networks, "paired": ("l1", "method")}
    flow = archive.load_or_run(folders[0], final_weights.train, grid | {"method": ["flow"]}, **asked)
    if n == N:
        every = load(folders[1])
        adamw = every[every.l1.isin(l1s)].reset_index(drop=True)
    else:
        adamw = sweep.sweep(final_weights.train, grid | {"method": ["adamw"]}, **asked)
    return {"flow": flow, "adamw": adamw}


def heat_map(folder: Path | str) -> np.ndarray:
    """Load the mean of W₀ W_Tᵀ over the networks of width 4096, (n, n).

    Raises:
        ValueError: a folder without that file, or a damaged one.
    """
    path = _path(Path(folder), HEAT_MAP, 1e-3)
    try:
        with np.load(path, allow_pickle=False) as file:
            return np.asarray(file["overlap"])
    except archive.DAMAGE as error:
        raise ValueError(f"{path}: no file of AdamW runs ({error})") from None


def _path(folder: Path, m: int, l1: float) -> Path:
    return folder / f"m{m:04d}-l1-{l1:g}.npz"


def read(path: Path) -> sweep.Table:
    """Read the runs of one width: a row for each network, as ``compute`` returns it, but without the overlaps.

    Raises:
        ValueError: the file does not hold runs of a width.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            ends = np.cumsum(file["networks"])[:-1]
            columns = {name: np.split(file[name], ends) for name in _LISTED}
            point = {"n": N, "m": int(file["m"]), "l1": float(file["l1"]), "method": "adamw"}
            rows = [
                point | {"seed": k} | {name: columns[name][k] for name in _LISTED} | {"sizes": file["sizes"][k]}
                for k in range(len(file["networks"]))
            ]
    except archive.DAMAGE as error:
        raise ValueError(f"{path}: no file of AdamW runs ({error})") from None
    return pd.DataFrame(rows)


def _write(path: Path, table: sweep.Table) -> None:
    arrays: dict[str, Any] = {name: np.concatenate(table[name].tolist()).astype(_TYPES[name]) for name in _LISTED}
    m, l1 = int(table.m[0]), float(table.l1[0])
    if m == HEAT_MAP:
        arrays["overlap"] = np.mean(table.overlap.tolist(), axis=0).astype(np.float32)
    networks, sizes = [len(listed) for listed in table.feature], np.array(table.sizes.tolist())
    whole = io.BytesIO()
    np.savez_compressed(whole, m=m, l1=l1, networks=networks, sizes=sizes, **arrays)
    atomic_write(path, whole.getvalue())


def main() -> None:
    """Compute the files that do not exist yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the files are kept, such as book/data/adamw-runs")
    parser.add_argument("--store", type=Path, help="where single networks are kept until their width is whole")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for m, l1 in SETTINGS:
        path = _path(options.folder, m, l1)
        if path.exists():
            continue
        print(f"n = {N}, m = {m}, λ = {l1:g}: {NETWORKS} networks", flush=True)
        started = time.perf_counter()
        _write(path, compute(m, l1, seeds=NETWORKS, store=options.store))
        archive.record_provenance(path, final_weights.train, started)
    for name, (run, grid, seeds, paired) in VARIANTS.items():
        archive.compute_missing(options.folder, name, run, grid, seeds=seeds, paired=paired, store=options.store)


if __name__ == "__main__":
    main()
