import errno
import functools
import importlib.util
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import loky
import numpy as np
import pandas as pd
import pytest
import torch

from executors import Here
from poly import code_hash, metrics, model, sweep
from poly.press import execute


def draw(*, n: int, m: int = 4, generator: torch.Generator) -> dict[str, Any]:
    W = model.init(n, m, generator=generator)
    return {"largest": W.abs().max(), "winners": metrics.winners(W)[0]}


def count_calls(*, n: int, log: str, generator: torch.Generator) -> float:
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{n}\n")
    return float(torch.rand(1, generator=generator)) + n


def labeled(*, n: int, label: str, generator: torch.Generator) -> float:
    return float(torch.rand(1, generator=generator))


def fail_at_2(*, n: int, generator: torch.Generator) -> int:
    if n == 2:
        raise ValueError("n=2: diverged")
    return n


@pytest.fixture
def here() -> Here:
    return Here()


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
    monkeypatch.setattr(loky.backend.synchronize, "_SemLock", refuse)
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


def test_another_release_of_a_numerical_library_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_hash.code_hash(draw)
    assert code_hash.code_hash(draw) == before
    monkeypatch.setattr(metadata, "version", lambda name: "99" if name == "scipy" else "1")
    one = code_hash.code_hash(draw)
    monkeypatch.setattr(metadata, "version", lambda name: "1")
    assert len({before, one, code_hash.code_hash(draw)}) == 3


def bound_to(*values: Any) -> Any:
    return functools.partial(labeled, label=values)  # type: ignore[arg-type]


def test_repeats_bound_builtins_and_hidden_state_are_told_apart() -> None:
    x, y = [1], [2]
    hashes = [code_hash.code_hash(bound_to(*values)) for values in ((x, y, x), (x, y, y), (x, x, y))]
    assert len(set(hashes)) == 3
    pairs: list[tuple[Any, Any]] = [
        ({1: 2}.get, {1: 3}.get),
        ([1, 2].__getitem__, [3, 4].__getitem__),
        (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, False])),
    ]
    for one, other in pairs:
        assert code_hash.code_hash(bound_to(one)) != code_hash.code_hash(bound_to(other))
    for hidden in (random.Random(1), pd.Timestamp(2026, 1, 1), np.frompyfunc(abs, 1, 1)):
        with pytest.raises(ValueError, match=r"^run: is bound to "):
            code_hash.code_hash(bound_to(hidden))


def test_what_cannot_be_stored_runs_where_only_a_variable_names_a_store(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sweep.STORE, str(tmp_path / "named"))
    run = functools.partial(labeled, label=random.Random(1))  # type: ignore[arg-type]
    assert len(sweep.sweep(run, {"n": [2]}, seeds=2, executor=here)) == 2
    assert not list((tmp_path / "named").glob("*.npz"))
    monkeypatch.setenv(sweep.STORE, "")
    assert len(sweep.sweep(labeled, {"n": [2], "label": ["a"]}, seeds=1, executor=here)) == 1


def test_a_store_may_be_named_by_a_variable(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sweep.STORE, str(tmp_path / "named"))
    for _ in range(2):
        table = sweep.sweep(count_calls, {"n": [2, 3], "log": [str(tmp_path / "log")]}, seeds=1, executor=here)
    assert sorted((tmp_path / "log").read_text().split()) == ["2", "3"]
    assert len(list((tmp_path / "named").glob("*.npz"))) == 2
    assert table.value.between(2, 4).all()
    assert execute.STORE == sweep.STORE


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


# The store


def calls(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_what_is_stored_is_not_run_again_and_comes_back_equal(tmp_path: Path, here: Here) -> None:
    log = tmp_path / "log"
    run = functools.partial(count_calls, log=str(log))
    first = sweep.sweep(run, {"n": [1, 2]}, seeds=2, executor=here, store=tmp_path / "store")
    assert calls(log) == 4
    second = sweep.sweep(run, {"n": [1, 2, 3]}, seeds=2, executor=here, store=tmp_path / "store")
    assert calls(log) == 6
    pd.testing.assert_frame_equal(second[:4], first)
    assert not list((tmp_path / "store").glob("*.tmp"))


def test_other_code_is_another_cell(tmp_path: Path, here: Here) -> None:
    def one(*, n: int, generator: torch.Generator) -> int:
        return n

    def two(*, n: int, generator: torch.Generator) -> int:
        return n + 1

    for run, value in ((one, 5), (two, 6), (functools.partial(count_calls, log=str(tmp_path / "log")), None)):
        found = sweep.sweep(run, {"n": [5]}, seeds=1, executor=here, store=tmp_path / "store").value[0]
        assert value is None or found == value
    assert len(list((tmp_path / "store").glob("*.json"))) == 3


FACTOR = 1


def helper(n: int) -> int:
    return FACTOR * n


class Times:
    def __init__(self, factor: Any) -> None:
        self.factor = factor

    def __call__(self, *, n: int, generator: torch.Generator) -> Any:
        return n * self.factor

    def method(self, *, n: int, generator: torch.Generator) -> Any:
        return n * self.factor


def closure(factor: Any) -> Any:
    def run(*, n: int, generator: torch.Generator) -> Any:
        return n * factor

    return run


def default(factor: Any) -> Any:
    def run(*, n: int, generator: torch.Generator, by: Any = factor) -> Any:
        return n * by

    return run


def by_data(*, n: int, data: Any, generator: torch.Generator) -> float:
    return n * float(data[1500])


def in_a_generator(*, n: int, generator: torch.Generator) -> int:
    return sum(helper(i) for i in [n])


def in_a_function(*, n: int, generator: torch.Generator) -> int:
    def inner() -> int:
        return helper(n)

    return inner()


def array(last: float) -> Any:
    data = np.arange(2000.0)
    data[1500] = last
    return data


@pytest.mark.parametrize(
    "make",
    [
        closure, default, Times, lambda factor: Times(factor).method,
        lambda factor: functools.partial(by_data, data=array(factor)),
        lambda factor: functools.partial(by_data, data=torch.tensor(array(factor))),
        lambda factor: functools.partial(by_data, data=list(array(factor))),
    ],
)  # fmt: skip
def test_what_a_function_is_bound_to_makes_another_cell(make: Any, tmp_path: Path, here: Here) -> None:
    for factor in (1, 10, 1):
        assert sweep.sweep(make(factor), {"n": [2]}, seeds=1, executor=here, store=tmp_path).value[0] == 2 * factor
    assert len(list(tmp_path.glob("*.json"))) == 2


@pytest.mark.parametrize("run", [in_a_generator, in_a_function])
def test_what_a_function_finds_in_its_module_makes_another_cell(
    run: Any, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path).value[0] == 2
    monkeypatch.setitem(globals(), "FACTOR", 5)
    assert sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path).value[0] == 10
    monkeypatch.setitem(globals(), "helper", lambda n: -n)
    assert sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path).value[0] == -2


@functools.lru_cache
def cached(n: int) -> int:
    return FACTOR * n


class Helper:
    def times(self, n: int) -> int:
        return FACTOR * n


def by_cached(*, n: int, generator: torch.Generator) -> int:
    cached.cache_clear()
    return cached(n)


def by_class(*, n: int, generator: torch.Generator) -> int:
    return Helper().times(n)


@pytest.mark.parametrize("run", [by_cached, by_class])
def test_what_helpers_find_makes_another_cell_too(
    run: Any, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    for factor in (1, 5, 1):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        assert sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path).value[0] == 2 * factor
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_functions_of_one_line_or_of_no_file_are_told_apart(tmp_path: Path, here: Here) -> None:
    pair = (lambda x, generator: x + 1), (lambda x, generator: x + 2)  # fmt: skip
    typed: dict[str, Any] = {}
    lines = ("A = 9; B = 5", "def one(x, generator): return A - B", "def two(x, generator): return B - A",
             "def three(x, y, generator): return x - y", "def four(y, x, generator): return x - y")  # fmt: skip
    exec("\n".join(lines), typed)

    def value(run: Any, **grid: list[int]) -> Any:
        return sweep.sweep(run, grid, seeds=1, executor=here, store=tmp_path).value[0]

    assert [value(run, x=[1]) for run in pair] == [2, 3]
    assert [value(typed[name], x=[1]) for name in ("one", "two")] == [4, -4]
    assert [value(typed[name], x=[7], y=[2]) for name in ("three", "four")] == [5, 5]
    assert len(list(tmp_path.glob("*.json"))) == 6


def test_a_file_that_was_edited_since_it_was_loaded_is_stored_as_what_ran(tmp_path: Path, here: Here) -> None:
    file, store = tmp_path / "edited_module.py", tmp_path / "store"

    def load() -> Any:
        specification = importlib.util.spec_from_file_location("edited_module", file)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        return module.run

    file.write_text("def run(x, generator): return x * 2\n", encoding="utf-8")
    old = load()
    file.write_text("def run(x, generator):\n    return x * 50\n", encoding="utf-8")
    assert sweep.sweep(old, {"x": [1]}, seeds=1, executor=here, store=store).value[0] == 2
    assert sweep.sweep(load(), {"x": [1]}, seeds=1, executor=here, store=store).value[0] == 50


@pytest.mark.parametrize("store", ["", 3, "file/below"])
def test_a_store_that_cannot_be_is_refused(store: Any, tmp_path: Path, here: Here) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    place = tmp_path / store if store == "file/below" else store
    with pytest.raises(ValueError, match=r"^store=.*must be a folder$"):
        sweep.sweep(closure(1), {"n": [2]}, seeds=1, executor=here, store=place)


def test_an_old_file_of_somebody_else_stays_in_the_store(tmp_path: Path, here: Here) -> None:
    mine, draft = tmp_path / "mine.tmp", tmp_path / f"{'a' * 64}.{'b' * 32}.tmp"
    for file in (mine, draft):
        file.write_text("x", encoding="utf-8")
        os.utime(file, (0, 0))
    sweep.sweep(closure(1), {"n": [2]}, seeds=1, executor=here, store=tmp_path)
    assert mine.exists()
    assert not draft.exists()


def test_a_draft_that_another_sweep_finishes_meanwhile_is_no_error(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / f"{'a' * 64}.{'b' * 32}.tmp"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([gone]))
    assert len(sweep.sweep(closure(1), {"n": [2]}, seeds=1, executor=here, store=tmp_path)) == 1


def test_after_a_failed_cell_no_other_runs_on(tmp_path: Path) -> None:
    def slow(*, n: int, generator: torch.Generator) -> int:
        if n == 0:
            raise ZeroDivisionError
        time.sleep(12)
        (tmp_path / f"{n}").write_text("", encoding="utf-8")
        return n

    with pytest.raises(sweep.CellError):
        sweep.sweep(slow, {"n": [1, 0]}, seeds=1)
    time.sleep(14)
    assert not list(tmp_path.iterdir())


def test_what_has_no_content_cannot_be_stored(tmp_path: Path, here: Here) -> None:
    run = functools.partial(by_data, data=iter([]))
    with pytest.raises(ValueError, match=r"^run: is bound to <list_iterator .*>, must be bound to"):
        sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_result_may_have_any_name_but_those_of_the_grid(tmp_path: Path, here: Here) -> None:
    def odd(*, n: int, generator: torch.Generator) -> dict[str, int]:
        return {"file": n, "allow_pickle": 2, "self": 3, "self.npy": 4}

    for _ in range(2):
        table = sweep.sweep(odd, {"n": [1]}, seeds=np.array([4]), executor=here, store=tmp_path)  # type: ignore[arg-type]
        assert table.iloc[0].to_dict() == {"n": 1, "seed": 4, "file": 1, "allow_pickle": 2, "self": 3, "self.npy": 4}

    for name in ("n", "seed"):

        def clash(*, n: int, generator: torch.Generator, name: str = name) -> dict[str, int]:
            return {name: 99}

        with pytest.raises(sweep.CellError, match=f"run returned a result named '{name}', which is a column"):
            sweep.sweep(clash, {"n": [1]}, seeds=1, executor=here)


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "no arrays", "no json", "other json"])
def test_a_damaged_entry_is_told_and_computed_again(tmp_path: Path, here: Here, harm: str) -> None:
    log, store = tmp_path / "log", tmp_path / "store"
    run = functools.partial(count_calls, log=str(log))
    expected = sweep.sweep(run, {"n": [1]}, seeds=1, executor=here, store=store)
    (arrays,), (record,) = store.glob("*.npz"), store.glob("*.json")
    content = arrays.read_bytes()
    match harm:
        case "cut":
            arrays.write_bytes(content[:-20])
        case "flip":
            arrays.write_bytes(content[:60] + bytes([content[60] ^ 1]) + content[61:])
        case "empty":
            arrays.write_bytes(b"")
        case "no arrays":
            arrays.unlink()
        case "no json":
            record.write_text("{")
        case "other json":
            record.write_text(json.dumps([1]))
    with pytest.warns(UserWarning, match=r"\.npz: damaged \(.*\), it is computed again"):
        found = sweep.sweep(run, {"n": [1]}, seeds=1, executor=here, store=store)
    pd.testing.assert_frame_equal(found, expected)
    assert calls(log) == 2


def test_a_record_vouches_for_itself_and_for_its_cell(tmp_path: Path, here: Here) -> None:
    store = tmp_path / "store"
    expected = sweep.sweep(draw, {"n": [2, 3]}, seeds=1, executor=here, store=store)
    records = sorted(store.glob("*.json"))
    text = records[0].read_bytes()
    flipped = text.replace(b"largest", b"larges5")
    assert flipped != text
    records[0].write_bytes(flipped)
    with pytest.warns(UserWarning, match=r"damaged \(its record is changed, or another cell's\), it is computed again"):
        found = sweep.sweep(draw, {"n": [2, 3]}, seeds=1, executor=here, store=store)
    pd.testing.assert_frame_equal(found, expected)
    for suffix in (".json", ".npz"):
        records[0].with_suffix(suffix).write_bytes(records[1].with_suffix(suffix).read_bytes())
    with pytest.warns(UserWarning, match=r"its record is changed, or another cell's"):
        found = sweep.sweep(draw, {"n": [2, 3]}, seeds=1, executor=here, store=store)
    pd.testing.assert_frame_equal(found, expected)


SCRIPT = """
import sys, time, torch
from poly import sweep

def slow(*, n, generator):
    print("ran", file=sys.stderr)
    time.sleep(0.15)
    return torch.rand(3, generator=generator) + n

if __name__ == "__main__":
    table = sweep.sweep(slow, {"n": list(range(12))}, seeds=2, store=sys.argv[1] or None, progress=False)
    print(sum(float(row.sum()) for row in table.value).hex())
"""


def script(folder: Path, store: Path) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(path), str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_killed_at_any_moment_a_sweep_goes_on_to_the_same_result(tmp_path: Path) -> None:
    whole, _ = script(tmp_path, tmp_path / "whole").communicate()
    store = tmp_path / "killed"
    for cells in (2, 9, 15):
        process = script(tmp_path, store)
        while process.poll() is None and len(list(store.glob("*.json"))) < cells:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        time.sleep(0.3)
    done = len(list(store.glob("*.json")))
    assert 15 <= done < 24
    resumed, _ = script(tmp_path, store).communicate()
    assert resumed == whole != ""


def test_two_processes_share_a_store_and_the_work(tmp_path: Path) -> None:
    both = [script(tmp_path, tmp_path / "store") for _ in range(2)]
    (one, said), (other, said_too) = (process.communicate() for process in both)
    assert one == other != ""
    assert (said + said_too).count("ran") == 24
    assert sorted({path.suffix for path in (tmp_path / "store").iterdir()}) == [".json", ".npz"]
    assert len(list((tmp_path / "store").glob("*.json"))) == 24


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
