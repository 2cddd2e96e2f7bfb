"""What of a function's code and surroundings makes another cell."""

import functools
import importlib.util
import random
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from executors import Here
from poly import sweep
from poly.sweep import hashing
from sweep.runs import count_calls, draw, labeled


def test_another_release_of_a_numerical_library_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashing.code_hash(draw)
    assert hashing.code_hash(draw) == before
    monkeypatch.setattr(metadata, "version", lambda name: "99" if name == "scipy" else "1")
    one = hashing.code_hash(draw)
    monkeypatch.setattr(metadata, "version", lambda name: "1")
    assert len({before, one, hashing.code_hash(draw)}) == 3


def bound_to(*values: Any) -> Any:
    return functools.partial(labeled, label=values)  # type: ignore[arg-type]


def test_repeats_bound_builtins_and_hidden_state_are_told_apart() -> None:
    x, y = [1], [2]
    hashes = [hashing.code_hash(bound_to(*values)) for values in ((x, y, x), (x, y, y), (x, x, y))]
    assert len(set(hashes)) == 3
    pairs: list[tuple[Any, Any]] = [
        ({1: 2}.get, {1: 3}.get),
        ([1, 2].__getitem__, [3, 4].__getitem__),
        (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, False])),
    ]
    for one, other in pairs:
        assert hashing.code_hash(bound_to(one)) != hashing.code_hash(bound_to(other))
    for hidden in (random.Random(1), pd.Timestamp(2026, 1, 1), np.frompyfunc(abs, 1, 1)):
        with pytest.raises(ValueError, match=r"^run: is bound to "):
            hashing.code_hash(bound_to(hidden))


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
