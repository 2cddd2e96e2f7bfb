"""Sweeps on Dask clusters that are started as users start them, by its stock commands, on loopback."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
import torch
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_info

import poly
from executors import Here
from poly import flow, metrics, model, sweep, training
from poly.sweep import dask_pool

HERE = Path(__file__).parents[1]
DASK = [sys.executable, "-m", "dask"]
# Nothing listens but on loopback, and no page of Dask's own is served.
LOCAL = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard"]
NONE: Mapping[str, str] = {}
LONG = 120.0  # seconds, for a busy machine


@contextmanager
def started(
    *command: str, python: Sequence[str] = DASK, env: Mapping[str, str] = NONE
) -> Iterator[subprocess.Popen[bytes]]:
    """Start one of Dask's commands, yield its process, and kill it and all that it started."""
    found = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "src")]), **env}
    with subprocess.Popen(
        [*python, *command, *LOCAL],
        env=found,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def address(file: Path) -> str:
    until(file.exists)
    return str(json.loads(file.read_text(encoding="utf-8"))["address"])


def until(happened: Any) -> None:
    end = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < end, "has not happened"
        time.sleep(0.05)


def worker(scheduler: str, folder: Path, *options: str, **how: Any) -> Any:
    fixed = ("--nworkers", "1", "--death-timeout", "60", "--local-directory", str(folder))
    return started("worker", scheduler, *fixed, *options, **how)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a cluster with workers of two threads and of one; a cell survives one killed worker."""
    folder = tmp_path_factory.mktemp("dask")
    file = folder / "scheduler.json"
    forgiving = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with started("scheduler", "--port", "0", "--scheduler-file", str(file), "--idle-timeout", "10m", env=forgiving):
        found = address(file)
        typed = ("--preload", "typed")  # calls are checked as in this process, else that is other code
        with worker(found, folder, "--nthreads", "2", *typed), worker(found, folder, "--nthreads", "1", *typed):
            yield found


@pytest.fixture
def client(there: str) -> Iterator[Client]:
    with Client(there, timeout=LONG) as found:
        found.wait_for_workers(2, timeout=LONG)
        yield found
        until(lambda: waiting(found) == 0)


def waiting(client: Client) -> int:
    """Return how many cells the scheduler knows: those that wait, run, or are kept."""
    return int(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))


def everything(*, n: int, m: int, generator: torch.Generator) -> dict[str, Any]:
    """Return results of all kinds, from the flow, training, and sums whose last digits depend on threads."""
    W = model.init(n, m, instances=3, generator=generator)
    rested = flow.flow(W, 0.05).W[-1]
    config = training.TrainConfig(optimizer="adamw", lr=0.01, steps=30, l1=0.05)
    trained = training.train(W, config, generator=generator).W[-1]
    big = torch.randn(200_000, generator=generator)
    square = torch.randn(300, 300, generator=generator)
    return {
        "rested": rested,
        "trained": trained,
        "winners": metrics.winners(rested),
        "sum": big.sum(),
        "square": square @ square,
        "numpy": square.numpy() @ square.numpy().T,
        "word": "é",
        "none": np.array([np.nan, -0.0]),
        "empty": np.zeros((0, 3), np.int8),
    }


def bits(table: pd.DataFrame) -> list[Any]:
    cells = [np.asarray(value) for row in table.itertuples(index=False) for value in row]
    return [(cell.dtype.str, cell.shape, cell.tobytes()) for cell in cells]


def test_all_modules_of_the_package_must_be_the_same() -> None:
    """Check that the hash covers every module, also in packages within the package."""
    modules = sorted(Path(poly.__file__).parent.rglob("*.py"))
    whole = hashlib.sha256("".join(path.read_text(encoding="utf-8") for path in modules).encode()).hexdigest()
    assert dask_pool.HERE["poly with the source hash"] == whole[:12]


def test_results_are_those_of_a_serial_run_bit_for_bit(client: Client, tmp_path: Path) -> None:
    grid = {"n": [3, 9], "m": [4, 20]}
    expected = sweep.sweep(everything, grid, seeds=2, executor=Here())
    for store in (None, tmp_path, tmp_path):
        found = sweep.sweep(everything, grid, seeds=2, executor=client.get_executor(), store=store)
        assert found.columns.tolist() == expected.columns.tolist()
        assert bits(found) == bits(expected)
    found.winners[0][...] = 0  # no view of what Dask received
    assert len(list(tmp_path.glob("*.json"))) == 8


def threads(*, k: int, generator: torch.Generator) -> list[int]:
    time.sleep(0.05 * (1 + k % 3))
    np.ones(3) @ np.ones(3)
    # OpenMP counts by thread: torch says its own number, and scikit-learn, if it is loaded, is not asked to compute.
    products = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return [torch.get_num_threads(), of_a_new_thread(), *products]


def of_a_new_thread() -> int:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_threads_beside_each_other_compute_alone_and_leave_all_as_it_was() -> None:
    within = LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False,
        dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
    )  # fmt: skip
    torch.set_num_threads(2)
    try:
        with within, Client(within) as client:
            before = threads(k=0, generator=torch.Generator())
            assert before[0] == 2
            found = sweep.sweep(threads, {"k": list(range(12))}, seeds=1, executor=client.get_executor())
            assert {number for row in found.value for number in row} == {1}
            assert threads(k=0, generator=torch.Generator()) == before
            assert of_a_new_thread() == 2
    finally:
        torch.set_num_threads(1)


def count(*, n: int, log: str, generator: torch.Generator) -> float:
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{n}\n")
    return float(torch.rand(1, generator=generator)) + n


@pytest.mark.parametrize("pure", [None, True])
def test_no_result_is_taken_from_what_dask_remembers(client: Client, tmp_path: Path, pure: bool | None) -> None:
    grid: dict[str, Any] = {"n": [1, 2], "log": [str(tmp_path / "log")]}
    executor = client.get_executor() if pure is None else client.get_executor(pure=pure)
    tables = [sweep.sweep(count, grid, seeds=1, executor=executor) for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)
    assert sorted((tmp_path / "log").read_text().split()) == ["1", "1", "2", "2"]


def deadly(*, n: int, log: str, times: int, generator: torch.Generator) -> float:
    value = count(n=n, log=log, generator=generator)
    if n == 2 and Path(log).read_text(encoding="utf-8").split().count("2") <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_a_worker_that_is_killed_in_a_cell_changes_nothing(client: Client, tmp_path: Path) -> None:
    grid: dict[str, Any] = {"n": [1, 2, 3, 4], "times": [1], "log": [str(tmp_path / "log")]}
    found = sweep.sweep(deadly, grid, seeds=1, executor=client.get_executor(), store=tmp_path / "store")
    pd.testing.assert_frame_equal(found, sweep.sweep(deadly, grid, seeds=1, executor=Here()))
    assert len(list((tmp_path / "store").glob("*.json"))) == 4


def test_a_cell_that_kills_every_worker_is_named(client: Client, tmp_path: Path) -> None:
    run = partial(deadly, log=str(tmp_path / "log"), times=99)
    with pytest.raises(sweep.CellError, match=r"^\{'n': 2\}, seed 0: KilledWorker: .* 2 different workers.*$"):
        sweep.sweep(run, {"n": [2]}, seeds=1, executor=client.get_executor())


def fail_at_2(*, n: int, generator: torch.Generator) -> int:
    if n == 2:
        raise ModuleNotFoundError("No module named 'mine'", name="mine")
    time.sleep(0.2)
    return n


def test_a_cell_that_raises_is_named_and_none_that_waits_is_run(client: Client, tmp_path: Path) -> None:
    with pytest.raises(sweep.CellError, match=r"^\{'n': 2\}, seed 0: ModuleNotFoundError: No module named 'mine'$"):
        sweep.sweep(fail_at_2, {"n": [2, *range(10, 90)]}, seeds=1, executor=client.get_executor(), store=tmp_path)
    until(lambda: waiting(client) == 0)
    assert len(list(tmp_path.glob("*.json"))) < 40


SCRIPT = """
import os, sys
import typed  # as the workers
from distributed import Client
from functools import partial
from poly import sweep
from sweep.test_dask_pool import slow

client = Client(sys.argv[1])
table = sweep.sweep(slow, {"n": list(range(20)), "log": [sys.argv[2] + "/log"]}, seeds=1,
                    executor=client.get_executor(), store=sys.argv[2] + "/store", progress=False)
print(sum(table.value).hex())
"""


def slow(*, n: int, log: str, generator: torch.Generator) -> float:
    time.sleep(0.3)
    return count(n=n, log=log, generator=generator)


def script(there: str, folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(HERE), str(HERE.parent / "src")])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, there, str(folder)],
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_client_that_is_killed_or_interrupted_goes_on_from_the_store(
    client: Client, there: str, tmp_path: Path, how: signal.Signals
) -> None:
    process = script(there, tmp_path)
    until(lambda: process.poll() is not None or len(list((tmp_path / "store").glob("*.json"))) >= 4)
    process.send_signal(how)
    _, said = process.communicate(timeout=LONG)
    assert process.returncode == -how, said
    until(lambda: waiting(client) == 0)
    log, grid = str(tmp_path / "log"), {"n": list(range(20))}
    assert 4 <= len(Path(log).read_text(encoding="utf-8").split()) < 20
    found = sweep.sweep(slow, grid | {"log": [log]}, seeds=1, executor=client.get_executor(), store=tmp_path / "store")
    ran = Path(log).read_text(encoding="utf-8").split()
    assert sorted(set(ran), key=int) == [str(n) for n in range(20)]
    assert len(ran) <= 20 + 3
    pd.testing.assert_frame_equal(found, sweep.sweep(slow, grid | {"log": [log]}, seeds=1, executor=Here()))


# What is refused, in one line


@pytest.fixture
def empty() -> Iterator[Client]:
    """Yield a client of a cluster without workers."""
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", processes=True, dashboard_address=None) as found,
        Client(found) as client,
    ):
        yield client


def refused(client: Client, message: str, error: Any = ValueError, run: Any = fail_at_2, **options: Any) -> None:
    with pytest.raises(error, match=message) as told:
        sweep.sweep(run, {"n": [1, 3]}, seeds=1, executor=client.get_executor(**options))
    assert "\n" not in str(told.value)
    until(lambda: client.status != "running" or waiting(client) == 0)


def elsewhere(kind: str, folder: Path) -> tuple[list[str], dict[str, str], str]:
    """Return a command and variables that start a worker with other code, and the error that names it."""
    packages, source = Path(np.__file__).parent.parent, Path(poly.__file__).parent
    if kind == "no package":  # Python leaves out what is installed for editing
        return (
            [sys.executable, "-S", "-m", "dask"],
            {"PYTHONPATH": str(packages)},
            r"cannot load poly: ModuleNotFound.*'poly'",
        )
    if kind == "other source":
        shutil.copytree(source, folder / "poly", ignore=shutil.ignore_patterns("press", "__pycache__"))
        with (folder / "poly" / "flow.py").open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        said = r"has poly with the source hash \w{12}, must have \w{12} as here$"
    else:
        (folder / "numpy-1.0.dist-info").mkdir()
        (folder / "numpy-1.0.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 1.0\n", encoding="utf-8")
        said = rf"has numpy 1\.0, must have {np.__version__} as here$"
    return DASK, {"PYTHONPATH": os.pathsep.join([str(folder), str(HERE), str(source.parent)])}, said


@pytest.mark.parametrize("late", [False, True], ids=["there", "late"])
@pytest.mark.parametrize("kind", ["no package", "other source", "other numpy"])
def test_workers_with_other_code_are_refused(empty: Client, tmp_path: Path, kind: str, late: bool) -> None:
    python, env, said = elsewhere(kind, tmp_path)
    message = rf"^executor: the worker tcp://127\.0\.0\.1:\d+ {said}"
    with worker(empty.scheduler.address, tmp_path, "--no-nanny", python=python, env=env):
        if not late:
            empty.wait_for_workers(1, timeout=LONG)
        refused(empty, message)


def test_a_worker_that_cannot_load_the_run_is_refused(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_alone.py").write_text("def run(n, generator): return n\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import mine_alone  # type: ignore[import-not-found]

    refused(
        client, r"^executor: the worker .* cannot load run: ModuleNotFoundError: .*'mine_alone'", run=mine_alone.run
    )


@pytest.mark.parametrize("patience", ["constant", "setting"])
def test_a_cluster_without_workers_is_told(empty: Client, monkeypatch: pytest.MonkeyPatch, patience: str) -> None:
    monkeypatch.setattr(dask_pool, "PATIENCE", 1.0)
    seconds = 1 if patience == "constant" else 3
    said = rf"has no worker that takes a cell, for {seconds} s now; Dask's setting {dask_pool.TIMEOUT} allows longer$"
    with dask.config.set({dask_pool.TIMEOUT: None if patience == "constant" else "3 s"}):
        refused(empty, rf"^executor: the cluster at tcp://\S+ {said}", RuntimeError)


def test_so_are_workers_that_may_not_take_a_cell(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "PATIENCE", 1.0)
    refused(client, r"^executor: the cluster .* has no worker that takes a cell", RuntimeError, resources={"GPU": 1})


def test_a_client_that_is_closed_or_a_run_that_cannot_be_sent(client: Client, there: str) -> None:
    locked = partial(count, log=threading.Lock())  # type: ignore[arg-type]
    refused(client, r"^run=.*: cannot be sent to other processes: TypeError: cannot pickle", run=locked)
    closed = Client(there)
    executor = closed.get_executor()
    closed.close()
    with pytest.raises(ValueError, match=r"^executor: its Dask client is closed, must be connected to a cluster$"):
        sweep.sweep(fail_at_2, {"n": [1]}, seeds=1, executor=executor)
    executor = client.get_executor()
    executor.shutdown()
    with pytest.raises(ValueError, match=r"^executor: is shut down, must take cells$"):
        sweep.sweep(fail_at_2, {"n": [1]}, seeds=1, executor=executor)


def test_a_scheduler_that_is_lost_is_told(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    with started("scheduler", "--port", "0", "--scheduler-file", str(file)) as process, Client(address(file)) as client:
        threading.Timer(1.0, process.kill).start()
        with pytest.raises(
            RuntimeError, match=r"^executor: the cluster at tcp://\S+ is gone, or the client was closed$"
        ):
            sweep.sweep(fail_at_2, {"n": [1]}, seeds=1, executor=client.get_executor())


class Blind(Here):
    """An executor whose worker is on a machine that does not see the folder."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        run, cell, key, folder, *rest = args
        return super().submit(function, run, cell, key, folder / "not" / "here", *rest)


def test_where_the_worker_does_not_see_the_store_the_client_keeps_it(tmp_path: Path) -> None:
    grid: dict[str, Any] = {"n": [1, 2], "log": [str(tmp_path / "log")]}
    tables = [sweep.sweep(count, grid, seeds=1, executor=Blind(), store=tmp_path / "store") for _ in range(2)]
    pd.testing.assert_frame_equal(*tables)
    assert len((tmp_path / "log").read_text().split()) == 2
