"""Sweeps that are run once and kept in a file, for what takes long or hangs on the processor, such as AdamW's winners.

A chapter asks for a sweep as usual. Where a file of the folder answers just this question, it is read; else the sweep
is run. So a reader who changes a parameter gets new numbers, and who changes nothing the same ones everywhere.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from poly import sweep

Grid = Mapping[str, Sequence[Any]]
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def table(
    folder: Path | str, run: Callable[..., Any], grid: Grid, *, seeds: int, paired: Sequence[str] = ()
) -> sweep.Table:
    """The table of this sweep, from the folder if it is kept there for as many seeds or more, else run anew.

    Args:
        folder: of files by ``keep``; other files may lie beside them.
        run, grid, paired: as for ``sweep.sweep``. A kept sweep has the same, and its points in the same order.
        seeds: how many.

    Raises:
        ValueError: a damaged file, or what ``sweep.sweep`` refuses.
    """
    asked = _question(run, grid, paired)
    for path in sorted(Path(folder).glob("kept-*.npz")):
        try:
            with np.load(path, allow_pickle=False) as file:
                known = json.loads(str(file["question"]))
                if known["sweep"] == asked and isinstance(seeds, int) and 1 <= seeds <= known["seeds"]:
                    found = pd.DataFrame({name: _column(file, name) for name in known["columns"]})
                    return found[found.seed < seeds].reset_index(drop=True)
        except DAMAGE as error:
            raise ValueError(f"{path}: no file of a kept sweep ({error})") from None
    return sweep.sweep(run, grid, seeds=seeds, paired=paired)


def keep(path: Path, run: Callable[..., Any], grid: Grid, *, seeds: int, paired: Sequence[str], store: Any) -> None:
    """Run a sweep and write it to ``path``, named kept-….npz, whole or not at all."""
    found = sweep.sweep(run, grid, seeds=seeds, paired=paired, store=store)
    arrays: dict[str, Any] = {}
    for name in found:
        values = [np.asarray(value) for value in found[name]]
        arrays[f"{name}.values"] = np.concatenate([value.ravel() for value in values])
        arrays[f"{name}.shapes"] = np.array([value.shape for value in values], dtype=np.int64)
    question = {"sweep": _question(run, grid, paired), "seeds": seeds, "columns": list(found)}
    draft = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        with draft.open("wb") as file:
            np.savez_compressed(file, question=json.dumps(question), **arrays)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _question(run: Callable[..., Any], grid: Grid, paired: Sequence[str]) -> Any:
    """What decides on the numbers, but for the code, as JSON gives it back."""
    name = f"{getattr(run, '__module__', '')}.{getattr(run, '__qualname__', '')}"
    plain = {key: np.asarray(values).tolist() for key, values in grid.items()}
    return json.loads(json.dumps([name, list(plain.items()), sorted(paired)]))


def _column(file: Any, name: str) -> list[Any]:
    values, shapes = file[f"{name}.values"], file[f"{name}.shapes"]
    if shapes.shape[1] == 0:
        return list(values.tolist())
    parts = np.split(values, np.cumsum(shapes.prod(axis=1))[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
