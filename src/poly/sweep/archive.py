"""Store sweeps in files, for runs that take long or depend on the processor, such as AdamW's winners.

A chapter requests a sweep as usual. If a file of the folder holds all its points, they are read; otherwise the sweep is
run. A reader who changes a parameter gets new numbers. A reader who changes nothing gets the same numbers on every
machine.
"""

import argparse
import io
import itertools
import json
import os
import platform
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from poly import checks, sweep
from poly.files import atomic_write
from poly.sweep.code_objects import find, full_name
from poly.sweep.hashing import code_hash

Grid = Mapping[str, Sequence[Any]]
# The variable that names folders to ignore, so that verification recomputes their sweeps.
RECOMPUTE = "POLY_RECOMPUTE"
# The file beside the others that records the origin of each.
PROVENANCE = "provenance.json"
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def load_or_run(
    folder: Path | str, run: Callable[..., Any], grid: Grid, *, seeds: int, paired: Sequence[str] = ()
) -> sweep.Table:
    """Return the table of a sweep: read from the folder if it holds all points and seeds, otherwise computed.

    Args:
        folder: folder of files by ``save``; other files may lie beside them. Folders that the variable
            ``POLY_RECOMPUTE`` names, separated by commas, are not read.
        run, grid, paired: as for ``sweep.sweep``. A stored sweep is used if it has the same arguments in the same
            order, and each of these values.
        seeds: number of seeds.

    Raises:
        ValueError: a damaged file, or what ``sweep.sweep`` refuses.
    """
    asked = _spec(run, grid, paired)
    checks.count("seeds", seeds)
    recomputed = Path(folder).name in os.environ.get(RECOMPUTE, "").split(",")
    unknown = None
    for path in [] if recomputed else sorted(Path(folder).glob("kept-*.npz")):
        known = spec(path)
        if _holds(known["sweep"], asked) and seeds <= known["seeds"]:
            now = {old: name for name, old in sweep.stream_names(run).items()}
            return _chosen(read(path), asked, seeds).rename(columns=now)
        if unknown is None and find(known["sweep"][0]) is None:
            unknown = f"{path}: was made by {known['sweep'][0]}, which does not exist"
    if unknown is not None:  # the sweep may be stored under a former name of its function
        raise ValueError(
            f"{unknown}; where it was renamed, "
            "`python -m poly.experiments.archive_audit --rename OLD NEW` writes its new name"
        )
    return sweep.sweep(run, grid, seeds=seeds, paired=paired)


def spec(path: Path) -> dict[str, Any]:
    """Read the sweep that a file holds: ``sweep``, (function, grid, paired); ``seeds``, their number; ``columns``.

    Raises:
        ValueError: a file that ``save`` has not written.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            known: dict[str, Any] = json.loads(str(file["question"]))
            _ = len(known["sweep"]), known["seeds"], known["columns"]
            return known
    except (*DAMAGE, TypeError) as error:
        raise ValueError(f"{path}: no file of a kept sweep ({error})") from None


def read(path: Path) -> sweep.Table:
    """Read all rows of a file, with the names of the arguments as they were when it was written.

    Raises:
        ValueError: a file that ``save`` has not written.
    """
    columns = spec(path)["columns"]
    try:
        with np.load(path, allow_pickle=False) as file:
            return pd.DataFrame({name: _column(file, name) for name in columns})
    except DAMAGE as error:
        raise ValueError(f"{path}: no file of a kept sweep ({error})") from None


def rename(folder: Path, old: str, new: str, columns: Mapping[str, str] | None = None) -> list[Path]:
    """Write the new name of a function, and of its results, into the files that it made; the numbers do not change.

    Args:
        folder: folder of files by ``save``.
        old, new: full names, such as ``poly.experiments.final_weights.train``.
        columns: new names of columns, by the old ones; others stay.

    Returns:
        The files that had the old name.

    Raises:
        ValueError: a damaged file, or a new name that no function has.
    """
    if find(new) is None:
        raise ValueError(f"new={new!r}: no such function, must be one that can be imported")
    changed = []
    for path in sorted(folder.glob("kept-*.npz")):
        known = spec(path)
        if known["sweep"][0] != old:
            continue
        known["sweep"][0] = new
        names = {name: (columns or {}).get(name, name) for name in known["columns"]}
        known["columns"] = list(names.values())
        with np.load(path, allow_pickle=False) as file:
            parts = itertools.product(names.items(), ("values", "shapes"))
            arrays = {f"{now}.{part}": file[f"{name}.{part}"] for (name, now), part in parts}
        _write(path, known, arrays)
        changed.append(path)
    return changed


def save(path: Path, run: Callable[..., Any], grid: Grid, *, seeds: int, paired: Sequence[str], store: Any) -> None:
    """Run a sweep and write it to ``path``, named kept-….npz, completely or not at all."""
    found = sweep.sweep(run, grid, seeds=seeds, paired=paired, store=store).rename(columns=sweep.stream_names(run))
    arrays: dict[str, Any] = {}
    for name in found:
        values = [np.asarray(value) for value in found[name]]
        arrays[f"{name}.values"] = np.concatenate([value.ravel() for value in values])
        arrays[f"{name}.shapes"] = np.array([value.shape for value in values], dtype=np.int64)
    _write(path, {"sweep": _spec(run, grid, paired), "seeds": seeds, "columns": list(found)}, arrays)


def _write(path: Path, asked: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    whole = io.BytesIO()
    np.savez_compressed(whole, question=json.dumps(asked), **arrays)
    atomic_write(path, whole.getvalue())


def compute_missing(
    folder: Path, name: str, run: Callable[..., Any], grid: Grid, *, seeds: int, paired: Sequence[str], store: Any
) -> None:
    """Call ``save`` for kept-``name``.npz and record its provenance, if the file does not exist yet."""
    path = folder / f"kept-{name}.npz"
    if path.exists():
        return
    print(f"{name}: {dict(grid)}, {seeds} seeds", flush=True)
    started = time.perf_counter()
    save(path, run, grid, seeds=seeds, paired=paired, store=store)
    record_provenance(path, run, started)


def parser(description: str | None, example: str) -> argparse.ArgumentParser:
    """Return the parser of a command that keeps sweeps: a folder, and a store for single cells.

    Args:
        description: of the command, a module's docstring.
        example: a folder, as the help names it.
    """
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("folder", type=Path, help=f"where the files are kept, such as {example}")
    found.add_argument("--store", type=Path, help="where single cells are kept until a sweep is whole")
    return found


def compute_all(folder: Path, sweeps: Mapping[str, Mapping[str, Any]], store: Any) -> None:
    """Call ``compute_missing`` for each sweep of a command, by its name, in a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, asked in sweeps.items():
        compute_missing(folder, name, **asked, store=store)


def record_provenance(path: Path, run: Callable[..., Any], started: float) -> None:
    """Add the origin of a file to the provenance beside it.

    Args:
        path: the file.
        run: the function of the sweep.
        started: value of ``time.perf_counter`` at the start. The seconds since then are the time of this run. They are
            less than the whole time if a store held a part of it.
    """
    known_at = path.with_name(PROVENANCE)
    known = json.loads(known_at.read_text(encoding="utf-8")) if known_at.exists() else {}
    known[path.name] = {
        "code": code_hash(run),
        "seconds": round(time.perf_counter() - started, 1),
        **made(),
    }
    write_json(known_at, known)


def write_json(path: Path, value: Any) -> None:
    """Write a value to a JSON file, completely or not at all."""
    atomic_write(path, json.dumps(value, indent=1) + "\n")


def made() -> dict[str, Any]:
    """Describe what is computed now: the date and the machine."""
    return {"date": time.strftime("%Y-%m-%d", time.gmtime()), **machine()}


def machine() -> dict[str, Any]:
    """Return the libraries and the instruction set that this process computes with."""
    return {
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "machine": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


def _spec(run: Callable[..., Any], grid: Grid, paired: Sequence[str]) -> Any:
    """Return all that determines the numbers except the code, as JSON, with arguments by their names in the stream."""
    if not isinstance(grid, Mapping):
        raise ValueError(f"grid={grid!r}: must map the arguments of run to lists of values")
    names = sweep.stream_names(run)
    plain = {names.get(key, key): np.asarray(values).tolist() for key, values in grid.items()}
    return json.loads(json.dumps([full_name(run), list(plain.items()), sorted(names.get(key, key) for key in paired)]))


def _holds(known: Any, asked: Any) -> bool:
    """Return whether a stored sweep has every point of the requested one."""
    (run, grid, paired), (run_asked, grid_asked, paired_asked) = known, asked
    if (run, paired, [name for name, _ in grid]) != (run_asked, paired_asked, [name for name, _ in grid_asked]):
        return False
    return all(value in values for (_, values), (_, wanted) in zip(grid, grid_asked, strict=True) for value in wanted)


def _chosen(found: sweep.Table, asked: Any, seeds: int) -> sweep.Table:
    """Select the rows of the requested points, in their order."""
    names = [name for name, _ in asked[1]]
    points = zip(*([np.asarray(value).tolist() for value in found[name]] for name in names), found.seed, strict=True)
    place = {json.dumps(point): row for row, point in enumerate(points)}
    wanted = itertools.product(*(values for _, values in asked[1]), range(seeds))
    return found.iloc[[place[json.dumps(point)] for point in wanted]].reset_index(drop=True)


def _column(file: Any, name: str) -> list[Any]:
    values, shapes = file[f"{name}.values"], file[f"{name}.shapes"]
    if shapes.shape[1] == 0:
        return list(values.tolist())
    parts = np.split(values, np.cumsum(shapes.prod(axis=1))[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
