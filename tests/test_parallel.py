import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from poly import flow, model, parallel, sparsify, training, untied


def products() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_products_run_on_one_thread_and_get_their_threads_back() -> None:
    before, seen = products(), []
    assert np.ones(2) @ np.ones(2) == 2
    parallel.for_each(lambda *_: seen.extend(products()), range(3))
    assert set(seen) == {1}
    assert products() == before


def test_so_they_do_in_calls_that_overlap_from_whatever_thread() -> None:
    before, seen = products(), []
    parallel.for_each(lambda *_: None, range(1))
    first = threading.Thread(target=parallel.for_each, args=(lambda *_: time.sleep(0.2), range(1)))
    first.start()
    time.sleep(0.05)

    def late(*_: object) -> None:
        time.sleep(0.3)
        seen.extend(products())

    parallel.for_each(late, range(1))
    first.join()
    assert set(seen) == {1}
    assert products() == before


def test_an_error_ends_the_loop_and_gives_the_threads_back() -> None:
    before = products()
    with pytest.raises(ZeroDivisionError):
        parallel.for_each(lambda item, _: print(1 / item), [1, 0, 2])
    assert products() == before


def test_after_an_error_the_others_are_told_to_stop() -> None:
    torch.set_num_threads(2)
    told = []

    def work(item: int, cancelled: parallel.Flag) -> None:
        if item == 0:
            raise ZeroDivisionError
        deadline = time.monotonic() + 60
        while not cancelled[0] and time.monotonic() < deadline:
            time.sleep(0.01)
        told.append(bool(cancelled[0]))

    with pytest.raises(ZeroDivisionError):
        parallel.for_each(work, [1, 0])
    assert told == [True]
    torch.set_num_threads(1)


def many_steps(large: bool, **settings: Any) -> Callable[[], object]:
    W = model.init(64, 512 if large else 64, generator=torch.Generator().manual_seed(0))
    config = training.TrainConfig(lr=1e-3, steps=10**9, **settings)
    return lambda: training.train(W, config, generator=torch.Generator())


def started(alarm: threading.Timer, work: Callable[[], object]) -> None:
    alarm.start()
    work()


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(many_steps(large=False), id="compiled steps"),
        pytest.param(many_steps(large=True), id="steps by products"),
        pytest.param(many_steps(large=False, noise="gaussian", sigma=0.1), id="noisy steps"),
        pytest.param(many_steps(large=False, noise="gaussian", sigma=0.1, noise_shared="none"), id="torch's steps"),
        pytest.param(lambda: flow.flow(slow_start(16, 32), 1e-9), id="flow on lists"),
        pytest.param(lambda: flow.flow(slow_start(128, 1024), 1e-6, tol=1e-10), id="flow by matrices"),
    ],
)
def test_an_interrupt_leaves_no_work_behind(work: Callable[[], object]) -> None:
    alarm = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            started(alarm, work)
    finally:
        alarm.cancel()
    assert time.monotonic() - began < 30  # the first use compiles; uninterrupted it takes minutes to days
    alarm.join()
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def few_steps_on_many_features(steps: int) -> object:
    W = model.init(3000 if steps > 1 else 3, 2, generator=torch.Generator().manual_seed(0))
    return training.train(W, training.TrainConfig(lr=1e-6, steps=steps), generator=torch.Generator())


def one_input_a_step(steps: int) -> object:
    network = untied.init(800 if steps > 1 else 26, 800, generator=torch.Generator().manual_seed(0))
    return untied.train(network, untied.UntiedConfig(steps=steps, batch=1), generator=torch.Generator())


def a_long_race(steps: int) -> object:
    return sparsify.sparsify(np.full(400, 0.01), 0.0, step=1e-4, t_end=1e-4 * steps)


@pytest.mark.parametrize("work", [few_steps_on_many_features, one_input_a_step, a_long_race])
def test_an_interrupt_waits_for_no_long_piece(work: Callable[[int], object]) -> None:
    work(1)  # compiles
    alarm = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    began = time.process_time()
    try:
        with pytest.raises(KeyboardInterrupt):
            started(alarm, lambda: work(9 * 10**9))
    finally:
        alarm.cancel()
    assert time.process_time() - began < 8


def test_interrupts_of_short_runs_give_the_threads_back() -> None:
    """Interrupt 40 runs at different moments; afterward the libraries have their threads back."""
    W = slow_start(4, 4)

    def interrupted(seconds: float) -> bool:
        end = time.monotonic() + 1
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)  # on a busy machine it may fire before the next line
            while time.monotonic() < end:  # Python drops an interrupt that falls into a destructor
                flow.flow(W, 0.1, t_end=1.0)
        except KeyboardInterrupt:
            return True
        return False

    flow.flow(W, 0.1, t_end=1.0)  # compiles, and loads all libraries
    before = products()
    usual = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        assert sum(interrupted(0.003 + 0.0005 * attempt) for attempt in range(40)) >= 30
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
    deadline = time.monotonic() + 10
    while products() != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert products() == before


def slow_start(n: int, m: int) -> torch.Tensor:
    return model.init(n, m, generator=torch.Generator().manual_seed(0))


def test_a_bar_is_drawn_where_it_is_asked_for_and_none_for_short_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    W = slow_start(4, 6)
    flow.flow(W, 0.1, progress=True)
    assert capsys.readouterr().err.strip() == ""
    monkeypatch.setattr(parallel, "SHORT", 0.0)
    flow.flow(W, 0.1, progress=True)
    assert "flow:   0%|          | 0/1" in capsys.readouterr().err
    training.train(W, training.TrainConfig(lr=0.1, steps=9), generator=torch.Generator(), progress=True)
    assert "train:   0%|          | 0.00/9.00" in capsys.readouterr().err
    flow.flow(W, 0.1)
    assert capsys.readouterr().err == ""  # captured: no terminal


def test_seeds_are_the_same_drawn_together_or_one_by_one() -> None:
    source = torch.Generator().manual_seed(0)
    one_by_one = [parallel.seeds(source, 1)[0] for _ in range(40)]
    assert parallel.seeds(torch.Generator().manual_seed(0), 40) == one_by_one
    assert len(set(one_by_one)) == 40
    assert parallel.seeds(source, 0) == []
    with pytest.raises(ValueError, match=r"^generator=None: must be a torch\.Generator$"):
        parallel.seeds(None, 1)  # type: ignore[arg-type]
