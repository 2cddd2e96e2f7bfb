"""One instance to a thread: what no result may hang on is then the number of threads. A leaf module."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from threadpoolctl import threadpool_limits


def for_each(run: Callable[[Any], None], items: Iterable[Any]) -> None:
    """``run(item)`` for every item, on as many threads as torch uses, with matrix products on one thread each."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for _ in pool.map(run, items):
            pass
