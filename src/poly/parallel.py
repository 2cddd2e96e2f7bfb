"""One instance to a thread: what no result may hang on is then the number of threads. A leaf module."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any

import torch
from threadpoolctl import threadpool_limits

_lock = Lock()
# For each caller under way, what ends the limit that all of them share.
_callers: list[Callable[[], None]] = []


def for_each(run: Callable[[Any], None], items: Iterable[Any]) -> None:
    """``run(item)`` for every item, on as many threads as torch uses, with matrix products on one thread each.

    An interrupt returns at once: items not begun are dropped, those under way end in the background.
    """
    pool = ThreadPoolExecutor(torch.get_num_threads())
    try:
        with _products_on_one_thread():
            for _ in pool.map(run, items):
                pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


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


def _limit() -> Callable[[], None]:
    """Set the limit, from a thread of its own: only the thread that has set it can take it back."""
    begun, ended = Event(), Event()

    def hold() -> None:
        with threadpool_limits(1, user_api="blas"):
            begun.set()
            ended.wait()

    holder = Thread(target=hold, daemon=True)
    holder.start()
    begun.wait()

    def end() -> None:
        ended.set()
        holder.join()

    return end
