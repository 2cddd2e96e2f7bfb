"""Run one instance per thread, so that results do not depend on the number of threads."""

import sys
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import current_process
from threading import Event, Lock, Thread, current_thread, main_thread
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from poly.checks import tensors

Flag = NDArray[np.bool_]  # one element; an array, because compiled loops read it, too
SHORT = 2.0  # seconds; shorter work shows no progress bar
_TICK = 0.2
_lock = Lock()
# For each active caller, the function that ends the limit that all of them share. A deque, because the contents of a
# list are part of the code hash.
_callers: deque[Callable[[], None]] = deque()
# For each thread in ``alone``: torch's number of threads in a new thread before the first of them.
_alone: deque[int] = deque()


def for_each(run: Callable[[Any, Flag], None], items: Iterable[Any], tick: Callable[[], None] = lambda: None) -> None:
    """Call ``run(item, cancelled)`` for every item, on as many threads as torch uses.

    Matrix products run on one thread each. ``cancelled`` is true after an interrupt or an error. A ``run`` that checks
    it now and then stops early. The caller's thread calls ``tick`` a few times a second.
    """
    cancelled = np.zeros(1, np.bool_)
    threads = torch.get_num_threads()  # torch keeps this number for each thread
    errors: list[BaseException] = []
    ended: list[bool] = []
    # A low-level lock and thread: an interrupt while waiting for one of ``threading`` ends in a RuntimeError.
    under_way, conductor = Lock(), None
    under_way.acquire()

    def one(item: Any) -> None:
        try:
            run(item, cancelled)
        except BaseException:
            cancelled[0] = True
            raise

    def conduct() -> None:
        try:
            with _products_on_one_thread(), ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(one, items):
                    pass
        except BaseException as error:  # raised again in the caller's thread
            errors.append(error)
        finally:
            ended.append(True)
            under_way.release()

    # An interrupt reaches the main thread only, so it cannot occur between setting a limit and removing it.
    try:
        conductor = start_new_thread(conduct, ())
        while not under_way.acquire(timeout=_TICK):
            tick()
    except BaseException:
        cancelled[0] = True
        if conductor is not None and not ended:
            under_way.acquire()
        raise
    if errors:
        raise errors[0]


def seeds(generator: torch.Generator, count: int) -> list[int]:
    """Draw a seed for each of several runs, so that none depends on how much the others draw.

    Args:
        generator: source of the seeds.
        count: how many, ≥ 0.

    Returns:
        Whole numbers from 0 to 2⁶³ − 2, the same ones whether they are drawn one by one or together.

    Raises:
        ValueError: no generator.
    """
    source = tensors.generator(generator)
    found: list[int] = torch.randint(2**63 - 1, (count,), generator=source, device=source.device).tolist()
    return found


def bar(total: float, unit: str, what: str, shown: bool | None) -> Any:
    """Return a progress bar for work that takes longer than ``SHORT``.

    With ``shown=None`` it is shown on a terminal, unless the call runs inside a sweep, which has its own bar.
    """
    if shown is None and (current_process().name != "MainProcess" or current_thread() is not main_thread()):
        shown = False
    return tqdm(
        total=total,
        unit=unit,
        desc=what,
        leave=False,
        delay=SHORT,
        unit_scale=unit == "step",
        disable=None if shown is None else not shown,
    )


@contextmanager
def _products_on_one_thread() -> Iterator[None]:
    """Limit matrix products to one thread in the whole process.

    The first of several concurrent callers sets the limit, and the last one removes it.
    """
    with _lock:
        _callers.append(_callers[0] if _callers else _limit())
    try:
        yield
    finally:
        with _lock:
            end = _callers.pop()
            if not _callers:
                end()


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run the block with one thread of computation for this thread and for each that it starts."""
    with _products_on_one_thread():
        with _lock:
            _alone.append(_alone[0] if _alone else _threads_of_a_new_thread())
            torch.get_num_threads()  # in its first call, torch takes the last number that any thread has set
            torch.set_num_threads(1)
        try:
            yield
        finally:
            with _lock:
                before = _alone.pop()
                if not _alone:  # until then, new threads start with one
                    torch.set_num_threads(before)


def _threads_of_a_new_thread() -> int:
    found: list[int] = []
    new = Thread(target=lambda: found.append(torch.get_num_threads()))
    new.start()
    new.join()
    return found[0]


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:
    """Find the loaded libraries once per number of modules: the search takes longer than many a run."""
    return ThreadpoolController()


def _limit() -> Callable[[], None]:
    """Set the limit in a separate thread, because only the thread that has set it can remove it."""
    begun, ended = Event(), Event()

    def hold() -> None:
        with _controller(len(sys.modules)).limit(limits=1, user_api="blas"):
            begun.set()
            ended.wait()

    holder = Thread(target=hold, daemon=True)
    holder.start()
    begun.wait()

    def end() -> None:
        ended.set()
        holder.join()

    return end
