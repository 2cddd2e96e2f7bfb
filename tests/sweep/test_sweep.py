import contextlib
import errno
import functools
import importlib
import math
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import loky
import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from executors import Here
from poly import model, perturb, sweep
from sweep.runs import draw, fail_at_2, labeled, oddly_named, perturbed_start
from sweep.test_store import SCRIPT


def test_the_table_has_a_row_for_each_point_and_seed_in_their_order(here: Here) -> None:
    table = sweep.sweep(draw, {"n": [3, 2], "m": [5]}, seeds=2, executor=here)
    assert table.columns.tolist() == ["n", "m", "seed", "largest", "winners"]
    assert table[["n", "m", "seed"]].to_numpy().tolist() == [[3, 5, 0], [3, 5, 1], [2, 5, 0], [2, 5, 1]]
    assert table.largest.dtype == float
    assert [len(row) for row in table.winners] == [3, 3, 2, 2]
    assert table.largest.nunique() == 4


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.ENOSPC, errno.EROFS, errno.ENOSYS])
def test_without_shared_memory_a_sweep_runs_here(number: int, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    loky.get_reusable_executor(max_workers=1).shutdown(kill_workers=True)  # one that another test has left
    # By name: loky.backend has an attribute of the same name that is multiprocessing's module until its own is loaded.
    monkeypatch.setattr(importlib.import_module("loky.backend.synchronize"), "_SemLock", refuse)
    found = sweep.sweep(draw, {"n": [2, 3]}, seeds=2)
    pd.testing.assert_frame_equal(found, sweep.sweep(draw, {"n": [2, 3]}, seeds=2, executor=here))
    with pytest.raises(sweep.CellError, match=r"^{'n': 2}, seed 0: ValueError: n=2: diverged$"):
        sweep.sweep(fail_at_2, {"n": [1, 2]}, seeds=1)


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_results_do_not_depend_on_the_executor(pool: Any, here: Here) -> None:
    expected = sweep.sweep(draw, {"n": [2, 3]}, seeds=[7, 1], executor=here)
    if pool is None:
        found = sweep.sweep(draw, {"n": [2, 3]}, seeds=[7, 1])
    else:
        with pool(2) as executor:
            found = sweep.sweep(draw, {"n": [2, 3]}, seeds=[7, 1], executor=executor)
    pd.testing.assert_frame_equal(found, expected)


def test_paired_points_see_the_same_draws(here: Here, tmp_path: Path) -> None:
    grid: dict[str, Any] = {"n": [2, 3], "label": ["a", "b"]}
    alone = sweep.sweep(labeled, grid, seeds=2, executor=here, store=tmp_path)
    assert alone.value.nunique() == 8
    table = sweep.sweep(labeled, grid, seeds=2, executor=here, store=tmp_path, paired=["label"])
    a, b = (table[table.label == label].value.tolist() for label in "ab")
    assert a == b
    assert len(set(a)) == 4
    without = sweep.sweep(functools.partial(labeled, label="a"), {"n": [2, 3]}, seeds=2, executor=here)
    assert without.value.tolist() == a
    for wrong in ("label", ["m"]):
        with pytest.raises(ValueError, match=r"^paired=.*must be a list of names of the grid, which has n, label$"):
            sweep.sweep(labeled, grid, seeds=1, executor=here, paired=wrong)


def test_more_widths_more_seeds_and_another_order_change_no_other_cell(here: Here) -> None:
    few = sweep.sweep(draw, {"n": [2], "m": [4]}, seeds=2, executor=here)
    many = sweep.sweep(draw, {"m": [8, 4], "n": [3, 2]}, seeds=5, executor=here)
    same = many[(many.n == 2) & (many.m == 4) & (many.seed < 2)]
    assert same.largest.tolist() == few.largest.tolist()


def test_a_function_of_a_prompt_reaches_the_other_processes() -> None:
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec("def square(*, n, generator):\n    return n * n", scope)
    assert sweep.sweep(scope["square"], {"n": [2, 3]}, seeds=1).value.tolist() == [4, 9]
    assert sweep.sweep(lambda *, n, generator: -n, {"n": [2]}, seeds=1).value.tolist() == [-2]


def test_kinds_of_results(here: Here) -> None:
    class Pair(NamedTuple):
        word: str
        grid: Any

    def run(*, k: Any, generator: torch.Generator) -> Any:
        return Pair("a", np.eye(2)) if k is None else True if k == "flag" else math.nan

    assert sweep.sweep(run, {"k": [None]}, seeds=1, executor=here).grid[0].tolist() == [[1, 0], [0, 1]]
    assert sweep.sweep(run, {"k": ["flag"]}, seeds=1, executor=here).value.tolist() == [True]
    assert math.isnan(sweep.sweep(run, {"k": [(1, 2.5)]}, seeds=1, executor=here).value[0])


def test_after_a_failed_cell_no_other_runs_on(tmp_path: Path) -> None:
    def slow(*, n: int, generator: torch.Generator) -> int:
        if n == 0:
            raise ZeroDivisionError
        (tmp_path / f"{os.getpid()}").write_text("", encoding="utf-8")
        time.sleep(600)
        return n

    with pytest.raises(sweep.CellError):
        sweep.sweep(slow, {"n": [1, 0]}, seeds=1)
    running = []
    for path in tmp_path.iterdir():
        with contextlib.suppress(psutil.NoSuchProcess):
            running.append(psutil.Process(int(path.name)))
    assert psutil.wait_procs(running, timeout=30)[1] == []


def test_a_result_may_have_any_name_but_those_of_the_grid(tmp_path: Path, here: Here) -> None:
    for _ in range(2):
        table = sweep.sweep(oddly_named, {"n": [1]}, seeds=np.array([4]), executor=here, store=tmp_path)  # type: ignore[arg-type]
        assert table.iloc[0].to_dict() == {"n": 1, "seed": 4, "file": 1, "allow_pickle": 2, "self": 3, "self.npy": 4}

    for name in ("n", "seed"):

        def clash(*, n: int, generator: torch.Generator, name: str = name) -> dict[str, int]:
            return {name: 99}

        with pytest.raises(sweep.CellError, match=f"run returned a result named '{name}', which is a column"):
            sweep.sweep(clash, {"n": [1]}, seeds=1, executor=here)


def test_workers_that_grow_are_replaced_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    growing = SCRIPT.replace('print("ran", file=sys.stderr)', "globals()[n] = [0] * 10**6")
    path.write_text(growing.replace("0.15", "1.1").replace("range(12)", "range(3)"))
    limit = {**os.environ, "LOKY_MAX_MEMORY_LEAK_SIZE": "1000"}
    found = subprocess.run([sys.executable, path, ""], env=limit, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


# Errors


def test_a_failing_cell_is_named_and_the_finished_ones_stay(tmp_path: Path, here: Here) -> None:
    with pytest.raises(sweep.CellError, match=r"^\{'n': 2\}, seed 0: ValueError: n=2: diverged$"):
        sweep.sweep(fail_at_2, {"n": [1, 2, 3]}, seeds=1, executor=here, store=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_what_is_no_result_is_told(here: Here) -> None:
    with pytest.raises(sweep.CellError, match=r"TypeError: run returned value=None, must be numbers, words, or"):
        sweep.sweep(lambda *, n, generator: None, {"n": [1]}, seeds=1, executor=here)


@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [
        ([1], 1, r"^grid=\[1\]: must map the arguments"),
        ({"seed": [1]}, 1, r"^grid: 'seed' cannot be an argument"),
        ({"n": []}, 1, r"^grid: n=\[\], must be a nonempty list"),
        ({"n": 3}, 1, r"^grid: n=3, must be a nonempty list"),
        ({"n": "ab"}, 1, r"^grid: n='ab', must be a nonempty list"),
        ({"n": [math.inf]}, 1, r"^grid: n has the value inf, must be finite numbers"),
        ({"n": [object]}, 1, r"^grid: n has the value <class 'object'>, must be"),
        ({"n": [1, 1]}, 1, r"^grid, seeds: hold {'n': 1} with seed 0 twice, must hold each cell once"),
        ({"k": [1]}, 1, r"^grid=\['k'\]: .*argument.*; run takes \(\*, n"),
        ({"n": [1], "k": [1]}, 1, r"^grid=\['n', 'k'\]: got an unexpected keyword argument 'k'; run takes"),
        ({"n": [1]}, 0, r"^seeds=0: must be a whole number ≥ 1"),
        ({"n": [1]}, [-1], r"^seeds=-1: must be a whole number ≥ 0"),
        ({"n": [1]}, [], r"^seeds=\[\]: must be how many"),
    ],
)
def test_bad_grids(grid: Any, seeds: Any, message: str, here: Here) -> None:
    with pytest.raises(ValueError, match=message):
        sweep.sweep(draw, grid, seeds=seeds, executor=here)


def test_other_bad_input(tmp_path: Path, here: Here) -> None:
    with pytest.raises(ValueError, match=r"^run=3: must be a function$"):
        sweep.sweep(3, {"n": [1]}, seeds=1)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^store='.*file': File exists, must be a folder$"):
        sweep.sweep(draw, {"n": [1]}, seeds=1, executor=here, store=tmp_path / "file")


def test_what_a_cell_drew_can_be_drawn_again(here: Here) -> None:
    table = sweep.sweep(draw, {"n": [3], "m": [5, 6]}, seeds=2, executor=here)
    for row in table.to_dict("records"):
        W = model.init(3, row["m"], generator=sweep.stream({"n": 3, "m": row["m"]}, row["seed"]))
        assert W.abs().max().item() == row["largest"]
    paired = sweep.sweep(draw, {"n": [3], "m": [5, 6]}, seeds=2, executor=here, paired=("m",))
    W = model.init(3, 6, generator=sweep.stream({"n": np.int64(3)}, 1))
    assert W.abs().max().item() == paired.largest.iloc[-1]
    with pytest.raises(ValueError, match="seed=-1"):
        sweep.stream({"n": 3}, -1)
    with pytest.raises(ValueError, match="grid: n has the value nan"):
        sweep.stream({"n": float("nan")}, 1)


def test_rows_of_a_point_have_its_values_a_sequence_as_a_whole() -> None:
    table = pd.DataFrame({"n": [2, 2, 3, 3], "names": [("a", "b"), ("a",), ("a", "b"), ("a",)], "seed": [0, 1, 2, 3]})
    assert sweep.rows_at(table, n=2).seed.tolist() == [0, 1]
    assert sweep.rows_at(table, names=["a", "b"]).seed.tolist() == [0, 2]
    assert sweep.rows_at(table, n=3, names=np.array(["a"])).seed.tolist() == [3]
    assert sweep.rows_at(table, n=4, names=["a"], seed=0).columns.tolist() == ["n", "names", "seed"]
    assert sweep.rows_at(table) is table
    with pytest.raises(ValueError, match=r"^point='width': must be one of 'n', 'names', 'seed'$"):
        sweep.rows_at(table, width=2)


def test_processes_that_run_already_perturb_as_the_caller_does(monkeypatch: pytest.MonkeyPatch, here: Here) -> None:
    """Start processes without a perturbation, and ask them for perturbed starts, and for plain ones again."""
    ends = []
    for seed in ("", "3", ""):
        monkeypatch.setenv(perturb.VARIABLE, seed)
        tables = [sweep.sweep(perturbed_start, {"m": [40]}, seeds=2, executor=executor) for executor in (None, here)]
        ends.append([table.value.tolist() for table in tables])
    assert ends[0] == ends[2]
    assert ends[0] != ends[1]
    assert all(processes == serial for processes, serial in ends)
