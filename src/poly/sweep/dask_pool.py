"""A sweep on Dask's executor: workers with other code are refused, and a cluster that is lost is told.

Only sweeps that get such an executor import this module: the laboratory does without Dask. The workers import it, too.
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

PATIENCE = 60.0  # seconds, for which a cluster may leave all cells alone
# Dask's own setting for that, which its scheduler knows, too.
TIMEOUT = "distributed.scheduler.no-workers-timeout"
_TICK, _BRIEF = 2.0, 0.05
_SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[1].rglob("*.py"))]
# What must be the same in all processes. Releases of one minor version of Python run the same bytecode.
HERE = {
    "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "poly with the source hash": hashlib.sha256("".join(_SOURCES).encode()).hexdigest()[:12],
    **{name: metadata.version(name) for name in ("numpy", "scipy", "torch", "numba")},
}


class Pool:
    """The executor, and what a sweep asks of its cluster.

    Raises:
        ValueError: a closed client, a worker with other code, or a ``run`` that no process can be sent.
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
        except Exception as error:  # whatever an object's own way to be pickled raises
            raise ValueError(f"run={run!r}: cannot be sent to other processes: {_line(error)}") from None
        self._code = _code(run)
        self._refuse_others()
        # Each future with Dask's own.
        self._left: dict[Future[Any], Any] = {}

    def submit(self, function: Callable[..., Any], run: Callable[..., Any], *args: Any) -> "Future[Any]":
        """``function(run, *args)`` on a worker; the result never comes from Dask's memory of an equal call."""
        call = pickle.dumps(_Call(HERE, self._run, self._code, cloudpickle.dumps((function, args))))
        theirs = self._client.submit(pickle.loads, call, **self._executor._kwargs | {"pure": False})
        self._executor._futures.add(theirs)  # of which its shutdown takes care
        future: Future[Any] = self._executor._wrap_future(theirs)
        self._left[future] = theirs
        return future

    def completed(self) -> Iterator[tuple["Future[Any]", Callable[[], Any]]]:
        """All futures as they complete, and what reads the result.

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
            # The cluster forgets it, too: a worker that dies later takes no finished cell with it.
            self._left.pop(future).release()

    def cancel(self) -> None:
        """Leave nothing in the cluster's queue; cells that run are not stopped."""
        # There may be no cluster any more, and the caller has a reason to tell already.
        with contextlib.suppress(Exception):
            if self._client.status == "running":
                self._wait_for_the_last()
                self._client.cancel(list(self._left.values()), force=True)
        self._left.clear()

    def _wait_for_the_last(self) -> None:
        """The scheduler takes calls in their order, but some time after they came; until then it cannot cancel them."""
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
        except OSError:  # its futures are cancelled as soon as the client has noticed
            return False

    def _refuse(self, future: "Future[Any]") -> None:
        if future.cancelled():
            raise self._gone()
        error = future.exception()
        if isinstance(error, NoValidWorkerError):
            raise self._idle(error.timeout)
        if isinstance(error, ImportError):
            self._refuse_others()  # if nobody is refused, it is the cell's own
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
        """Ask all workers that are there now; those that come later are asked with every cell."""
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
    """A call that is made where its pickle is loaded.

    Dask is given no function of the package to load: its scheduler may lack the package, and a worker that does can
    say so.
    """

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return call, self.args


def call(there: dict[str, str], run: bytes, code: str, rest: bytes) -> bytes | str:
    """On a worker: the pickled result of the call, on one thread; a line of text where the worker is refused."""
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
    with parallel.alone():
        return pickle.dumps(function(loaded, *args))


@functools.lru_cache(maxsize=32)
def _code_of(run: bytes) -> str:
    return _code(pickle.loads(run))


def _code(run: Callable[..., Any]) -> str:
    try:
        return code_hash(run)
    except ValueError:  # it is bound to what cannot be compared
        return ""


def _read(future: "Future[Any]") -> Any:
    return pickle.loads(future.result())


def _difference(worker: str, found: dict[str, str], needed: dict[str, str]) -> str:
    """One line: what the worker has, and what it must have."""
    name = next(name for name in needed if found.get(name) != needed[name])
    return f"executor: the worker {worker} has {name} {found.get(name)}, must have {needed[name]} as here"


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
