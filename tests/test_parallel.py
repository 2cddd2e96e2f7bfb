import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from poly import parallel


def products() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_products_run_on_one_thread_and_get_their_threads_back() -> None:
    before, seen = products(), []
    assert np.ones(2) @ np.ones(2) == 2
    parallel.for_each(lambda _: seen.extend(products()), range(3))
    assert set(seen) == {1}
    assert products() == before


def test_so_they_do_in_calls_that_overlap_from_whatever_thread() -> None:
    before, seen = products(), []
    parallel.for_each(lambda _: None, range(1))
    first = threading.Thread(target=parallel.for_each, args=(lambda _: time.sleep(0.2), range(1)))
    first.start()
    time.sleep(0.05)

    def late(_: int) -> None:
        time.sleep(0.3)
        seen.extend(products())

    parallel.for_each(late, range(1))
    first.join()
    assert set(seen) == {1}
    assert products() == before


def test_an_error_ends_the_loop_and_gives_the_threads_back() -> None:
    before = products()
    with pytest.raises(ZeroDivisionError):
        parallel.for_each(lambda item: print(1 / item), [1, 0, 2])
    assert products() == before
