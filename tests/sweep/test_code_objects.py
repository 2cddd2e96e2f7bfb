"""Changes of a function's code and of what it uses, and which of them make another cell."""

import functools
import importlib.util
import random
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch

from executors import Here
from poly import sweep
from poly.sweep import code_objects, hashing
from sweep.runs import draw


def test_another_release_of_a_numerical_library_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashing.code_hash(draw)
    assert hashing.code_hash(draw) == before
    monkeypatch.setattr(metadata, "version", lambda name: "99" if name == "scipy" else "1")
    one = hashing.code_hash(draw)
    monkeypatch.setattr(metadata, "version", lambda name: "1")
    assert len({before, one, hashing.code_hash(draw)}) == 3


def test_a_function_is_found_by_its_name() -> None:
    assert code_objects.full_name(draw) == "sweep.runs.draw"
    assert code_objects.find("sweep.runs.draw") is draw
    for none in ("sweep.runs.gone", "no_module.draw", "sweep.runs.HIDDEN", "no name", ""):
        assert code_objects.find(none) is None


WITHIN = "def f():\n def g():\n  '''{}'''\n  return 1\n return g"


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("def f():\n '''A.'''\n return 1", "def f():\n '''B.'''\n return 1", True),
        ("def f():\n '''A.'''\n return 1", "def f():\n # no docstring\n return 1", True),
        (WITHIN.format("A."), WITHIN.format("B."), True),
        ("def f():\n '''A.'''\n return 'A.'", "def f():\n '''B.'''\n return 'B.'", False),
        ("def f():\n return 'A.'", "def f():\n return 'B.'", False),
        ("f = lambda: 'A.'", "f = lambda: 'B.'", False),
        ("def f():\n return ['A.' for _ in ()]", "def f():\n return ['B.' for _ in ()]", False),
        ("def f():\n '''A.'''\n return 1", "def f():\n '''A.'''\n return 2", False),
    ],
)  # fmt: skip
def test_a_docstring_does_nothing(one: str, other: str, equal: bool) -> None:
    made = []
    for text in (one, other):
        names: dict[str, Any] = {}
        exec(text, names)
        made.append(code_objects.plain(names["f"].__code__))
    assert (made[0] == made[1]) == equal


def test_the_function_within_is_found() -> None:
    assert code_objects.function_of(draw) is draw
    assert code_objects.function_of(functools.partial(functools.partial(draw, n=2), m=3)) is draw
    assert code_objects.function_of(functools.lru_cache(draw)) is draw


FACTOR = 1


def helper(n: int) -> int:
    return FACTOR * n


DATA: Any = None


def by_data(*, n: int, generator: torch.Generator) -> float:
    return n * float(DATA[1500])


def by_key(*, n: int, generator: torch.Generator) -> float:
    return n * float(DATA["last"])


def by_field(*, n: int, generator: torch.Generator) -> float:
    return n * float(DATA.value)


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


class Settings(NamedTuple):
    value: float


@dataclass(frozen=True)
class Config:
    value: float


@pytest.mark.parametrize(
    ("run", "make"),
    [
        (by_data, array),
        (by_data, lambda last: torch.tensor(array(last))),
        (by_data, lambda last: torch.tensor(array(last)).to(torch.bfloat16)),
        (by_data, lambda last: list(array(last))),
        (by_data, lambda last: tuple(array(last))),
        (by_data, lambda last: np.array(array(last), dtype=object)),
        (by_key, lambda last: {"first": 0, "last": last}),
        (by_field, Settings),
        (by_field, Config),
    ],
)
def test_what_a_module_holds_makes_another_cell(
    run: Any, make: Any, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    for factor in (1, 10, 1):
        monkeypatch.setitem(globals(), "DATA", make(factor))
        assert sweep.sweep(run, {"n": [2]}, seeds=1, executor=here, store=tmp_path).value[0] == 2 * factor
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_repeats_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = [1], [2]
    hashes = []
    for value in ((x, y, x), (x, y, y), (x, x, y)):
        monkeypatch.setitem(globals(), "DATA", value)
        hashes.append(hashing.code_hash(by_data))
    assert len(set(hashes)) == 3


@pytest.mark.parametrize("hidden", [random.Random(1), pd.Timestamp(2026, 1, 1), iter([1]), object()])
def test_values_without_content_are_refused(hidden: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "DATA", hidden)
    with pytest.raises(ValueError, match=r"^run: finds <?[\w.]*.*, must find numbers, words, arrays or functions"):
        hashing.code_hash(by_data)


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


def test_functions_of_one_line_or_of_no_file_are_told_apart(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ModuleType("made_here")
    lines = ("A = 9; B = 5", "def one(x, generator): return A - B", "def two(x, generator): return B - A",
             "def three(x, y, generator): return x - y", "def four(y, x, generator): return x - y",
             "def five(x, generator): return x + 1\ndef six(x, generator): return x + 2")  # fmt: skip
    exec("\n".join(lines), vars(made))
    monkeypatch.setitem(sys.modules, "made_here", made)

    def value(name: str, **grid: list[int]) -> Any:
        return sweep.sweep(getattr(made, name), grid, seeds=1, executor=here, store=tmp_path).value[0]

    assert [value(name, x=[1]) for name in ("one", "two", "five", "six")] == [4, -4, 2, 3]
    assert [value(name, x=[7], y=[2]) for name in ("three", "four")] == [5, 5]
    assert len(list(tmp_path.glob("*.json"))) == 6


def test_a_file_that_was_edited_since_it_was_loaded_is_stored_as_what_ran(
    tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, store = tmp_path / "edited_module.py", tmp_path / "store"

    def load() -> Any:
        specification = importlib.util.spec_from_file_location("edited_module", file)
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        monkeypatch.setitem(sys.modules, "edited_module", module)
        return module.run

    file.write_text("def run(x, generator): return x * 2\n", encoding="utf-8")
    old = load()
    file.write_text("def run(x, generator):\n    return x * 50\n", encoding="utf-8")
    assert sweep.sweep(old, {"x": [1]}, seeds=1, executor=here, store=store).value[0] == 2
    assert sweep.sweep(load(), {"x": [1]}, seeds=1, executor=here, store=store).value[0] == 50
