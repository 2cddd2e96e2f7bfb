"""One instance to a thread: what no result may hang on is then the number of threads. A leaf module."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from threadpoolctl import threadpool_limits

_lock = Lock()
# One for each caller under way; the first has really set the limit.
_limits: list[threadpool_limits | None] = []


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
    """The limit is the whole process's: set by the first of several callers at a time, taken back by the last."""
    with _lock:
        _limits.append(None if _limits else threadpool_limits(1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            first = _limits[0]
            _limits.pop()
            if not _limits and first is not None:
                first.restore_original_limits()
