"""One instance to a thread: what no result may hang on is then the number of threads. A leaf module."""

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

Flag = NDArray[np.bool_]  # one element; an array, because compiled loops look at it, too
SHORT = 2.0  # seconds, for which nobody needs a bar
_TICK = 0.2
_lock = Lock()
# For each caller under way, what ends the limit that all of them share. No list: it would count as code that runs.
_callers: deque[Callable[[], None]] = deque()
# For each thread that computes alone, how many of torch's a new thread had before the first of them.
_alone: deque[int] = deque()


def for_each(run: Callable[[Any, Flag], None], items: Iterable[Any], tick: Callable[[], None] = lambda: None) -> None:
    """``run(item, cancelled)`` for every item, on as many threads as torch uses, with matrix products on one thread.

    ``cancelled`` is true after an interrupt or an error: a run that looks at it now and then leaves no work behind.
    ``tick`` is called a few times a second, by the caller's thread.
    """
    cancelled = np.zeros(1, np.bool_)
    threads = torch.get_num_threads()  # every thread has a number of its own
    errors: list[BaseException] = []
    ended: list[bool] = []
    # A bare lock and a bare thread: an interrupt in the middle of waiting for Python's own ends in a RuntimeError.
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
        except BaseException as error:  # for the caller
            errors.append(error)
        finally:
            ended.append(True)
            under_way.release()

    # An interrupt reaches the main thread only, so it cannot fall between setting a limit and taking it back.
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


def bar(total: float, unit: str, what: str, shown: bool | None) -> Any:
    """A progress bar for work that takes its time; None: on a terminal, unless a sweep around it has its own."""
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
    """The limit is the whole process's: set for the first of several callers at a time, taken back after the last."""
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
def alone() -> Iterator[None]:
    """This thread, and those that it starts, compute without the help of others; threads beside it may do the same."""
    with _products_on_one_thread():
        with _lock:
            _alone.append(_alone[0] if _alone else _threads_of_a_new_thread())
            torch.get_num_threads()  # torch takes the last number that any thread has set when it is first asked
            torch.set_num_threads(1)
        try:
            yield
        finally:
            with _lock:
                before = _alone.pop()
                if not _alone:  # until then, new threads of the others start with one
                    torch.set_num_threads(before)


def _threads_of_a_new_thread() -> int:
    found: list[int] = []
    new = Thread(target=lambda: found.append(torch.get_num_threads()))
    new.start()
    new.join()
    return found[0]


@lru_cache(maxsize=1)
def _controller(modules: int) -> ThreadpoolController:
    """The libraries that are loaded; looking for them takes longer than many a run, so once for so many modules."""
    return ThreadpoolController()


def _limit() -> Callable[[], None]:
    """Set the limit, from a thread of its own: only the thread that has set it can take it back."""
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
