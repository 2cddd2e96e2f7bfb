"""Run a function over a grid × seeds, on any executor, with a store that survives a killed process.

Every cell has its own random stream, made from the seed and from the values of the point, not from its place in the
grid. Adding a width to the grid therefore changes no other number.
"""

import contextlib
import functools
import hashlib
import inspect
import io
import itertools
import json
import os
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import loky
import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from poly import checks, perturb
from poly.files import atomic_write
from poly.sweep import code_objects
from poly.sweep.hashing import (
    OtherCodeError,
    Parts,
    check_same_code,
    code_parts,
    combined_hash,
    importable,
    mark_checked,
)

Table: TypeAlias = pd.DataFrame
Point = dict[str, Any]
Result = dict[str, NDArray[Any]]
Run = TypeVar("Run", bound=Callable[..., Any])
_FORGOTTEN = 3600.0  # seconds
# The variable that names the folder of the store if no ``store`` is given.
STORE = "POLY_STORE"
_DRAFT = re.compile(r"[0-9a-f]{64}(\.npz|\.json)?\.[0-9a-f]{32}\.tmp")
# loky warns of every worker that it replaces because it is idle or has grown. Nothing is lost, and a page would show
# the warning.
warnings.filterwarnings("ignore", message="A worker (stopped|was restarted) while some jobs", category=UserWarning)


class CellError(RuntimeError):
    """A cell's run failed; the message names its point and seed.

    The finished results of other cells stay in the store.
    """


class _Cell(NamedTuple):
    point: Point
    seed: int
    paired: tuple[str, ...] = ()


def sweep(
    run: Callable[..., Any],
    grid: Mapping[str, Sequence[Any]],
    *,
    seeds: int | Sequence[int],
    executor: Executor | None = None,
    store: Path | str | None = None,
    paired: Sequence[str] = (),
    progress: bool | None = None,
) -> Table:
    """Run every point of the grid with every seed.

    Calls ``run(**point, generator=g)``; g is seeded by ``SeedSequence(seed, spawn_key=SHA-256 of the point)``, and
    comes again from ``stream``.
    What it returns, a number, an array, a tensor, a mapping of such or a NamedTuple of such, becomes columns.

    Args:
        run: the experiment; batching instances inside a cell is its own business. Other processes must be able to
            get it: the default executor also takes functions of a notebook.
        grid: values of each argument of ``run``: numbers, words, None, or tuples of such.
        seeds: how many (0, 1, …), or which, whole numbers ≥ 0.
        executor: any ``concurrent.futures.Executor``; None: a process a core, with one thread each, or this process
            where the system cannot share memory with others. Processes that are forked after torch has computed in
            this one may hang: that is torch's threads. Dask's, ``Client(…).get_executor()``, may have workers on other
            machines; each must have loaded the same code.
        store: a folder for finished cells, which a later sweep, or another process at the same time, takes from it
            where point, seed and code are the same. ``run`` must then be a function at the top of a module. Its code
            is what it reaches from name to name in your modules and in the laboratory, as loaded, with the values that
            it finds there, and the versions of numpy, scipy, torch and numba. Other packages are taken as they are, and
            modules that are imported by a computed name are not found. A process that has loaded other code than this
            one runs nothing. None: the folder that the variable ``POLY_STORE`` names; without it, nothing is stored.
        paired: arguments of ``run`` that the random stream does not depend on. Points that differ only there get the
            same draws ("common random numbers"), such as one start trained in several ways.
        progress: a bar with the time left, on the terminal; None: where there is one.

    Returns:
        Table with a row for each point and seed, in the order of the grid: its arguments, ``seed``, and the results.

    Raises:
        ValueError: bad input; with a store a ``run`` that cannot be imported, or finds in its module what has no
            content to compare; a closed client of Dask, or a worker that has other code.
        CellError: a run failed, or returned what is no result; or, with a store, a process has loaded other code.
        RuntimeError: Dask's cluster is gone, or has no worker that takes a cell.
    """
    checks.function("run", run)
    checks.progress(progress)
    cells = _cells(grid, seeds, paired)
    _can_be_called(run, grid)
    folder = _folder(store)
    if executor is not None and not isinstance(executor, Executor):
        raise ValueError(f"executor={executor!r}: must be a concurrent.futures.Executor")
    if folder is not None:
        for draft in folder.glob("*.tmp"):  # from a sweep that was killed during a write
            with contextlib.suppress(FileNotFoundError):  # another sweep has moved or deleted it meanwhile
                if _DRAFT.fullmatch(draft.name) and time.time() - draft.stat().st_mtime > _FORGOTTEN:
                    draft.unlink()
    try:
        parts = {}
        if folder is not None:
            importable(run)
            parts = code_parts(run, _run)
    except ValueError:
        if store is not None:
            raise
        parts, folder = {}, None  # only the variable names a store
    code = combined_hash(parts) if folder is not None else ""
    mark_checked(run, parts)
    other_names = {"drawn as": names} if (names := stream_names(run)) else {}
    keys = [_hash(cell._asdict() | {"code": code} | other_names | perturb.key()) for cell in cells]
    done = {key: found for key in keys if folder is not None and (found := _load(folder, key)) is not None}
    todo = [(key, cell) for key, cell in zip(keys, cells, strict=True) if key not in done]
    with tqdm(total=len(cells), initial=len(done), disable=None if progress is None else not progress) as bar:
        for key, result in _computed(run, todo, executor, folder, parts):
            done[key] = result
            bar.update()
    rows = [
        cell.point
        | {"seed": cell.seed}
        | {name: value if value.ndim else value.item() for name, value in found.items()}
        for cell, found in zip(cells, (done[key] for key in keys), strict=True)
    ]
    return pd.DataFrame(rows)


def rows_at(table: Table, **point: Any) -> Table:
    """Select the rows of a table with these values, in their order: ``sweep.rows_at(table, n=32, method="flow")``.

    Args:
        table: as from ``sweep``.
        point: a value for each of some columns; a tuple, list or array is compared as a whole.

    Raises:
        ValueError: the table has no such column.
    """
    for name, value in point.items():
        checks.one_of("point", name, tuple(table.columns))
        table = table[np.array([np.array_equal(each, value) for each in table[name]], dtype=bool)]
    return table


def _can_be_called(run: Callable[..., Any], grid: Mapping[str, Any]) -> None:
    """Check that ``run`` takes the arguments of the grid and a generator; raise ValueError otherwise."""
    try:
        signature = inspect.signature(run)
    except (TypeError, ValueError):  # some functions of other languages have none
        return
    try:
        signature.bind(**dict.fromkeys([*grid, "generator"]))
    except TypeError as error:
        raise ValueError(f"grid={list(grid)}: {error}; run takes {signature}") from None


def drawn_as(**names: str) -> Callable[[Run], Run]:
    """Keep the draws of a function whose arguments were renamed.

    The random stream of a cell is made from the names and values of the arguments, so a new name would change every
    draw. ``@sweep.drawn_as(steps="finer")`` gives the argument ``steps`` the name ``finer`` in the stream.

    Raises:
        ValueError: a name that stands for two arguments.
    """
    if len(set(names.values())) < len(names):
        raise ValueError(f"drawn_as: {names}, must have another name for each argument")

    def named(run: Run) -> Run:
        run.drawn_as = names  # type: ignore[attr-defined]
        return run

    return named


def stream_names(run: Callable[..., Any]) -> dict[str, str]:
    """Return the arguments of a function that have another name in the stream, each with that name."""
    return dict(getattr(code_objects.function_of(run), "drawn_as", {}))


def stream(point: Mapping[str, Any], seed: int, run: Callable[..., Any] | None = None) -> torch.Generator:
    """Make the generator that ``run`` gets in the cell of this point and seed, to repeat its draws.

    Args:
        point: the arguments of ``run`` that the stream depends on: all of the grid's that are not ``paired``.
        seed: that of the cell.
        run: the function, where arguments have other names in its stream (``drawn_as``).

    Raises:
        ValueError: values that are in no grid, or a seed that is no whole number ≥ 0.
    """
    if not isinstance(point, Mapping):
        raise ValueError(f"point={point!r}: must map the arguments of run to values")
    names = {} if run is None else stream_names(run)
    plain = {names.get(name, name): _plain(name, value) for name, value in point.items()}
    if len(plain) < len(point):
        raise ValueError(f"point={point!r}: has two arguments of one name in the stream, which is {names}")
    words = np.frombuffer(bytes.fromhex(_hash(plain)), dtype=np.uint32).tolist()
    sequence = np.random.SeedSequence(checks.count("seed", seed, at_least=0), spawn_key=words)
    return torch.Generator().manual_seed(int(sequence.generate_state(1, np.uint64)[0]))


def _folder(store: Path | str | None) -> Path | None:
    store = store if store is not None else os.environ.get(STORE) or None
    if store is None:
        return None
    if not isinstance(store, Path | str) or not str(store):
        raise ValueError(f"store={store!r}: must be a folder")
    try:
        Path(store).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"store={str(store)!r}: {error.strerror}, must be a folder") from None
    return Path(store).resolve()  # other processes may have another working directory


def _cells(grid: Mapping[str, Sequence[Any]], seeds: int | Sequence[int], paired: Sequence[str]) -> list[_Cell]:
    if not isinstance(grid, Mapping):
        raise ValueError(f"grid={grid!r}: must map the arguments of run to lists of values")
    for name, values in grid.items():
        if not isinstance(name, str) or name in {"seed", "generator"}:
            raise ValueError(f"grid: {name!r} cannot be an argument, must be a name other than seed and generator")
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or len(values) == 0:
            raise ValueError(f"grid: {name}={values!r}, must be a nonempty list of values")
    listed = isinstance(seeds, Sequence | np.ndarray) and not isinstance(seeds, str)
    chosen: Any = seeds if listed else range(checks.count("seeds", seeds))
    numbers = [checks.count("seeds", seed, at_least=0) for seed in chosen]
    points = [
        {name: _plain(name, value) for name, value in zip(grid, values, strict=True)}
        for values in itertools.product(*grid.values())
    ]
    if not numbers:
        raise ValueError(f"seeds={seeds!r}: must be how many, ≥ 1, or a nonempty list of whole numbers ≥ 0")
    if isinstance(paired, str) or not isinstance(paired, Sequence) or not set(paired) <= set(grid):
        raise ValueError(f"paired={paired!r}: must be a list of names of the grid, which has {', '.join(grid)}")
    cells = [_Cell(point, seed, tuple(sorted(paired))) for point in points for seed in numbers]
    times = Counter(_hash(cell._asdict()) for cell in cells)
    for cell in cells:
        if times[_hash(cell._asdict())] > 1:
            raise ValueError(f"grid, seeds: hold {cell.point} with seed {cell.seed} twice, must hold each cell once")
    return cells


def _plain(name: str, value: Any) -> Any:
    """Convert a value of the grid to plain Python: a number, a string, None, or a tuple of these."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, tuple | list):
        return tuple(_plain(name, item) for item in value)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and np.isfinite(value)):
        return value
    raise ValueError(f"grid: {name} has the value {value!r}, must be finite numbers, words, None, or tuples of such")


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _computed(
    run: Callable[..., Any],
    todo: Sequence[tuple[str, _Cell]],
    executor: Executor | None,
    folder: Path | None,
    parts: Parts,
    first: bool = True,
) -> Iterator[tuple[str, Result]]:
    """Yield results as they complete; the process that computes a result stores it first."""
    if not todo:
        return
    over, alone, outdated = _cluster(run, executor), executor is None, False
    pool: Any = over or executor or _processes(len(todo))
    changed = perturb.seed()
    if pool is None:
        yield from (
            (key, _result(cell, functools.partial(_run_cell, run, cell, key, folder, False, parts, changed)))
            for key, cell in todo
        )
        return
    futures: dict[Future[Any], tuple[str, _Cell]] = {}
    left = dict(todo)
    try:
        for key, cell in todo:
            futures[pool.submit(_run_cell, run, cell, key, folder, alone, parts, changed)] = key, cell
        for future, read in over.completed() if over else ((each, each.result) for each in as_completed(futures)):
            key, cell = futures[future]
            try:
                result = _result(cell, read)
            except CellError as error:
                # Processes of an earlier sweep may have loaded a module before it was reloaded here.
                if outdated := alone and first and isinstance(error.__cause__, OtherCodeError):
                    break
                raise
            if folder is not None and not (folder / f"{key}.json").exists():
                _save(folder, key, cell, result)  # a worker elsewhere may not see the folder
            del left[key]
            yield key, result
    except BaseException:
        if over:
            over.cancel()
        for future in futures:
            future.cancel()
        if alone:  # the results of running cells are not needed any more
            pool.shutdown(wait=False, kill_workers=True)
        raise
    if outdated:
        pool.shutdown(wait=True, kill_workers=True)
        yield from _computed(run, list(left.items()), executor, folder, parts, first=False)


def _cluster(run: Callable[..., Any], executor: Executor | None) -> Any:
    """Return the pool for Dask's cluster; None for any other executor."""
    dask = sys.modules.get("distributed.cfexecutor")  # loaded already if such an executor exists
    if dask is None or not isinstance(executor, dask.ClientExecutor):
        return None
    from poly.sweep import dask_pool  # noqa: PLC0415  # needs Dask

    return dask_pool.Pool(executor, run)


def _processes(cells: int) -> Any:
    """Return an executor with one process per core.

    None is for a single core, or for a system without shared semaphores, as without a usable ``/dev/shm``.
    """
    if loky.cpu_count() == 1:
        return None
    try:
        return loky.get_reusable_executor(max_workers=min(cells, loky.cpu_count()))
    except (OSError, ImportError):
        return None


def _result(cell: _Cell, get: Callable[[], Result]) -> Result:
    try:
        return get()
    except Exception as error:
        raise CellError(f"{cell.point}, seed {cell.seed}: {type(error).__name__}: {error}") from error


def _run_cell(
    run: Callable[..., Any],
    cell: _Cell,
    key: str,
    folder: Path | None,
    alone: bool,
    parts: Parts,
    changed: int | None,
) -> Result:
    perturb.adopt(changed)
    if folder is None or not os.access(folder, os.W_OK):
        return _run(run, cell, alone)
    check_same_code(run, parts, _run)
    # Concurrent sweeps with one store share the work: the second process waits, and reads the first one's result.
    lock = FileLock(folder / f"{key}.lock")
    with _naming(Path(lock.lock_file)):  # a network share may have no locks
        lock.acquire()
    try:
        found = _load(folder, key)
        if found is None:
            found = _run(run, cell, alone)
            with _naming(folder / key):
                _save(folder, key, cell, found)
        Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()
    return found


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add the path to an error of the system: that of a full disk names no file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(error.filename or path)) from None


def _run(run: Callable[..., Any], cell: _Cell, alone: bool) -> Result:
    own = {name: value for name, value in cell.point.items() if name not in cell.paired}
    generator = stream(own, cell.seed, run)
    if alone:  # the processes share the cores
        torch.set_num_threads(1)
    with threadpool_limits(1 if alone else None):
        return _arrays(run(**cell.point, generator=generator), {"seed", *cell.point})


def _arrays(result: Any, taken: Container[str]) -> Result:
    if hasattr(result, "_asdict"):
        result = result._asdict()
    named = result if isinstance(result, Mapping) else {"value": result}
    arrays = {}
    for name, value in named.items():
        if name in taken:
            raise TypeError(f"run returned a result named {name!r}, which is a column of the grid already")
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        if array.dtype.kind not in "biufcU":
            raise TypeError(f"run returned {name}={value!r}, must be numbers, words, or arrays of such")
        arrays[str(name)] = array
    return arrays


def _save(folder: Path, key: str, cell: _Cell, result: Result) -> None:
    """Write the arrays, then the record that confirms them, each completely or not at all."""
    arrays = io.BytesIO()
    np.savez(arrays, *result.values(), allow_pickle=False)  # without their names: savez has names of its own
    atomic_write(folder / f"{key}.npz", arrays.getvalue())
    checksum = hashlib.sha256(arrays.getvalue()).hexdigest()
    record = cell._asdict() | {"results": list(result), "sha256": checksum, "key": key}
    record["record"] = _hash(record)
    atomic_write(folder / f"{key}.json", json.dumps(record, indent=1))


def _load(folder: Path, key: str) -> Result | None:
    """Read a stored cell; return None if there is none, or, with a warning, if it is damaged."""
    record, arrays = folder / f"{key}.json", folder / f"{key}.npz"
    if not record.exists():
        return None
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        if known.pop("record") != _hash(known) or known["key"] != key:
            raise ValueError("its record is changed, or another cell's")
        if hashlib.sha256(arrays.read_bytes()).hexdigest() != known["sha256"]:
            raise ValueError("its checksum does not fit")
        with np.load(arrays, allow_pickle=False) as stored:
            return {name: stored[f"arr_{place}"] for place, name in enumerate(known["results"])}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        warnings.warn(f"{arrays}: damaged ({error}), it is computed again", stacklevel=3)
        with contextlib.suppress(OSError):
            record.unlink()  # the first process that finds it warns, and no other
        return None
