"""Run a sweep on Dask's executor; refuse workers with other code, and report a lost cluster.

Only sweeps with such an executor import this module, because the laboratory does not require Dask. The workers import
it, too.
"""

import contextlib
import functools
import hashlib
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from importlib import metadata
from pathlib import Path
from pkgutil import resolve_name
from queue import Empty, SimpleQueue
from typing import Any

import cloudpickle
import dask
from dask.utils import parse_timedelta
from distributed import get_worker
from distributed.cfexecutor import ClientExecutor
from distributed.scheduler import NoValidWorkerError

from poly import parallel
from poly.sweep.hashing import code_hash

PATIENCE = 60.0  # seconds for which a cluster may run no cell
# Dask's own setting for this time, which its scheduler uses, too.
TIMEOUT = "distributed.scheduler.no-workers-timeout"
_TICK, _BRIEF = 2.0, 0.05
_SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
# Versions that must be equal in all processes. Releases of one minor version of Python run the same bytecode.
HERE = {
    "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "poly with the source hash": hashlib.sha256("".join(_SOURCES).encode()).hexdigest()[:12],
    **{name: metadata.version(name) for name in ("numpy", "scipy", "torch", "numba")},
}


class Pool:
    """The executor, and the requests of a sweep to its cluster.

    Raises:
        ValueError: a closed client, a worker with other code, or a ``run`` that cannot be sent to processes.
    """

    def __init__(self, executor: ClientExecutor, run: Callable[..., Any]) -> None:
        self._executor, self._client = executor, executor._client
        if executor._shutdown:
            raise ValueError("executor: is shut down, must take cells")
        if self._client.status != "running":
            raise ValueError(f"executor: its Dask client is {self._client.status}, must be connected to a cluster")
        if self._client.asynchronous:
            raise ValueError("executor: its Dask client is asynchronous, must be Client(asynchronous=False)")
        self._address = self._client.scheduler.address
        try:
            self._run = cloudpickle.dumps(run)
        except Exception as error:  # an object's own pickling may raise anything
            raise ValueError(f"run={run!r}: cannot be sent to other processes: {_line(error)}") from None
        self._code = _code(run)
        self._refuse_others()
        # Each future with its Dask future.
        self._left: dict[Future[Any], Any] = {}

    def submit(self, function: Callable[..., Any], run: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Run ``function(run, *args)`` on a worker; never reuse Dask's result of an equal call."""
        call = pickle.dumps(_Call(HERE, self._run, self._code, cloudpickle.dumps((function, args))))
        theirs = self._client.submit(pickle.loads, call, **self._executor._kwargs | {"pure": False})
        self._executor._futures.add(theirs)  # so that its shutdown cancels it
        future: Future[Any] = self._executor._wrap_future(theirs)
        self._left[future] = theirs
        return future

    def completed(self) -> Iterator[tuple["Future[Any]", Callable[[], Any]]]:
        """Yield all futures as they complete, each with a function that reads the result.

        Raises:
            ValueError: a worker with other code.
            RuntimeError: the client was closed, its scheduler is gone, or no worker takes the cells.
        """
        ready: SimpleQueue[Future[Any]] = SimpleQueue()
        for future in list(self._left):
            future.add_done_callback(ready.put)
        while self._left:
            future = self._next(ready)
            self._refuse(future)
            yield future, functools.partial(_read, future)
            # The cluster forgets it, too, so that a worker's later death loses no finished cell.
            self._left.pop(future).release()

    def cancel(self) -> None:
        """Remove all cells from the cluster's queue; running cells are not stopped."""
        # The cluster may be gone, and the caller raises another error already.
        with contextlib.suppress(Exception):
            if self._client.status == "running":
                self._wait_for_the_last()
                self._client.cancel(list(self._left.values()), force=True)
        self._left.clear()

    def _wait_for_the_last(self) -> None:
        """Wait until the scheduler knows the last call.

        It processes calls in their order, but with a delay, and cannot cancel them before.
        """
        last = self._client.submit(int, pure=False)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._client.sync(self._client.scheduler.get_task_status, keys=[last.key])[last.key] is not None:
                break
            time.sleep(_BRIEF)

    def _next(self, ready: "SimpleQueue[Future[Any]]") -> "Future[Any]":
        since = time.monotonic()
        patience = parse_timedelta(dask.config.get(TIMEOUT, None) or PATIENCE)
        while True:
            try:
                return ready.get(timeout=_TICK)
            except Empty:
                if self._at_work():
                    since = time.monotonic()
                elif time.monotonic() - since > patience:
                    raise self._idle(patience) from None

    def _at_work(self) -> bool:
        try:
            return any(self._client.processing().values())
        except OSError:  # the client cancels its futures once it notices
            return False

    def _refuse(self, future: "Future[Any]") -> None:
        if future.cancelled():
            raise self._gone()
        error = future.exception()
        if isinstance(error, NoValidWorkerError):
            raise self._idle(error.timeout)
        if isinstance(error, ImportError):
            self._refuse_others()  # if no worker is refused, the error is the cell's own
        if error is None and isinstance(future.result(), str):
            raise ValueError(future.result())

    def _gone(self) -> RuntimeError:
        return RuntimeError(f"executor: the cluster at {self._address} is gone, or the client was closed")

    def _idle(self, seconds: float) -> RuntimeError:
        return RuntimeError(
            f"executor: the cluster at {self._address} has no worker that takes a cell, for {seconds:g} s now; "
            f"Dask's setting {TIMEOUT} allows longer"
        )

    def _refuse_others(self) -> None:
        """Check all current workers; later ones are checked with every cell."""
        chosen = self._executor._kwargs.get("workers")
        try:
            asked = self._client.run(resolve_name, f"{__name__}:HERE", workers=chosen, on_error="return")
        except OSError:
            raise self._gone() from None
        for worker, found in asked.items():
            if isinstance(found, ImportError):
                raise ValueError(f"executor: the worker {worker} cannot load poly: {_line(found)}")
            if isinstance(found, dict) and found != HERE:
                raise ValueError(_difference(worker, found, HERE))


class _Call:
    """A call that is executed when its pickle is loaded.

    Dask loads no function of the package. Its scheduler may lack the package, and a worker that lacks it can report so.
    """

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return call, self.args


def call(there: dict[str, str], run: bytes, code: str, rest: bytes) -> bytes | str:
    """Execute a call on a worker, on one thread, and return its pickled result.

    If the worker is refused, the result is a line of text.
    """
    worker = get_worker().address
    if there != HERE:
        return _difference(worker, HERE, there)
    try:
        function, args = pickle.loads(rest)
        loaded, found = pickle.loads(run), _code_of(run)
    except Exception as error:
        return f"executor: the worker {worker} cannot load run: {_line(error)}"
    if code != found:
        return f"executor: the worker {worker} has loaded other code for run than this process, as after an edit"
    with parallel.single_threaded():
        return pickle.dumps(function(loaded, *args))


@functools.lru_cache(maxsize=32)
def _code_of(run: bytes) -> str:
    return _code(pickle.loads(run))


def _code(run: Callable[..., Any]) -> str:
    return code_hash(run, strict=False)


def _read(future: "Future[Any]") -> Any:
    return pickle.loads(future.result())


def _difference(worker: str, found: dict[str, str], needed: dict[str, str]) -> str:
    """Describe in one line the version that the worker has, and the one that it must have."""
    name = next(name for name in needed if found.get(name) != needed[name])
    return f"executor: the worker {worker} has {name} {found.get(name)}, must have {needed[name]} as here"


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
