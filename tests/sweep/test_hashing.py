import importlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import poly
from poly import checks, model, superposition, sweep
from poly.experiments import final_weights
from poly.flow import dense
from poly.sweep import hashing

LABORATORY = Path(poly.__file__).parent


def mine(*, n: int, generator: torch.Generator) -> torch.Tensor:
    return model.init(n, 4, generator=generator).abs().max()


def lazily(*, n: int, generator: torch.Generator) -> torch.Tensor:
    from poly import superposition as later

    return later.init(n, 4, generator=generator).W.max()


def by_package(*, n: int, generator: torch.Generator) -> torch.Tensor:
    return poly.superposition.init(n, 4, generator=generator).W.max()


def changed(*_: Any, **__: Any) -> None:
    """Stand in for another function."""


@pytest.mark.parametrize(
    ("module", "name", "counts"),
    [
        (model, "init", {"outcome", "mine"}),
        (checks, "count", {"outcome", "mine", "lazily", "by_package"}),
        (dense, "_add_overlaps", {"outcome"}),
        (superposition, "init", {"lazily", "by_package"}),
        (superposition, "train", set()),
    ],
)
def test_of_the_laboratory_counts_what_a_run_can_reach(
    module: ModuleType, name: str, counts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: dict[str, Any] = {"outcome": final_weights.train, "mine": mine, "lazily": lazily, "by_package": by_package}
    before = {run: hashing.code_hash(runs[run]) for run in runs}
    monkeypatch.setattr(module, name, changed)
    assert {run for run in runs if hashing.code_hash(runs[run]) != before[run]} == counts


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Yield a function that writes a module of the user's, and imports it or loads it again."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def write(name: str, source: str) -> ModuleType:
        path = tmp_path / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()
        made.append(name)
        return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)

    yield write
    for name in made:
        sys.modules.pop(name, None)


RUN = "def run(*, n, generator): return {}\n"


@pytest.mark.parametrize(
    ("helper", "run"),
    [
        ("def times(n): return {} * n\n", "from helper_of_mine import times\n" + RUN.format("times(n)")),
        ("def times(n): return {} * n\n", "import helper_of_mine as h\n" + RUN.format("h.times(n)")),
        ("FACTOR = {}\ndef times(n): return FACTOR * n\n", "import helper_of_mine as h\n" + RUN.format("h.times(n)")),
        ("BY = dict(a=[{}])\n", "import helper_of_mine as h\n" + RUN.format("h.BY['a'][0] * n")),
        (
            "class Base:\n    def times(self, n): return {} * n\n",
            "from helper_of_mine import Base\nclass Mine(Base): pass\n" + RUN.format("Mine().times(n)"),
        ),
        (
            "import functools\ndef by(f):\n    @functools.wraps(f)\n    def g(**k): return {} * f(**k)\n    return g\n",
            "from helper_of_mine import by\n@by\n" + RUN.format("n"),
        ),
        (
            "import functools\n@functools.lru_cache\ndef times(n): return {} * n\n",
            "def run(*, n, generator):\n    from helper_of_mine import times\n    return times(n)\n",
        ),
    ],
)
def test_what_lies_in_another_module_of_ones_own_makes_another_cell(
    helper: str, run: str, user: Any, tmp_path: Path
) -> None:
    for factor in (2, 50, 2):
        user("helper_of_mine", helper.format(factor))
        module = user("run_of_mine", run)
        with ThreadPoolExecutor(1) as pool:
            table = sweep.sweep(module.run, {"n": [3]}, seeds=1, executor=pool, store=tmp_path / "store")
        assert table.value.tolist() == [3 * factor]
    assert len(list((tmp_path / "store").glob("*.json"))) == 2


def test_nested_packages_are_hashed(user: Any) -> None:
    user("kit.__init__", "")
    user("kit.deep.__init__", "")
    found = []
    for factor in (2, 50):
        user("kit.deep.helper", f"def times(n): return {factor} * n\n")
        module = user("kit.run", "from .deep import helper\n" + RUN.format("helper.times(n)"))
        found.append(hashing.code_parts(module.run))
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"kit.deep.helper"}


def test_a_module_of_the_laboratory_may_lie_in_a_package_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = ModuleType("poly.deep.helper")
    monkeypatch.setitem(sys.modules, "poly.deep.helper", deep)
    monkeypatch.setitem(globals(), "deep", deep)
    made: dict[str, Any] = {"deep": deep, "__name__": __name__}
    exec("def run(*, n, generator): return deep.times(n)", made)
    hashes = set()
    for factor in (2, 50):
        exec(f"def times(n): return {factor} * n", vars(deep))
        hashes.add(hashing.code_hash(made["run"]))
    assert len(hashes) == 2


def test_a_process_looks_once_at_what_it_runs_and_again_after_a_reload(
    user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = user("run_of_mine", "FACTOR = 2\n" + RUN.format("FACTOR * n"))
    parts = hashing.code_parts(module.run)
    looked: list[Any] = []

    def look(*of: Any) -> Any:
        looked.append(of)
        return parts

    monkeypatch.setattr(hashing, "code_parts", look)
    for _ in range(3):
        hashing.check_same_code(module.run, parts)
    assert len(looked) == 1
    user("run_of_mine", "FACTOR = 2\n" + RUN.format("FACTOR * n"))
    hashing.check_same_code(module.run, parts)
    assert len(looked) == 2


@pytest.mark.parametrize("value", [3, [2], "2"])
def test_a_process_with_another_value_in_a_module_runs_nothing(user: Any, value: Any) -> None:
    module = user("run_of_mine", "FACTOR = 2\n" + RUN.format("FACTOR * n"))
    parts = hashing.code_parts(module.run)
    module.FACTOR = value
    with pytest.raises(
        hashing.OtherCodeError, match=r"^run_of_mine: not the same in the process that runs it .*restart"
    ):
        hashing.check_same_code(module.run, parts)


TENSOR = torch.zeros(1)


def by_tensor(*, n: int, generator: torch.Generator) -> float:
    return n * float(TENSOR.sum().real)


def test_tensors_of_every_kind_have_a_content(monkeypatch: pytest.MonkeyPatch) -> None:
    def hashed(value: torch.Tensor) -> str:
        monkeypatch.setitem(globals(), "TENSOR", value)
        return hashing.code_hash(by_tensor)

    dense = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    kinds = (torch.bfloat16, torch.float16, torch.complex64, torch.float8_e4m3fn, torch.int8, torch.bool)
    tensors = [dense, dense + 1, dense[0], dense[None], *map(dense.to, kinds)]
    assert len({hashed(tensor) for tensor in tensors}) == len(tensors)
    for tensor in tensors:
        assert hashed(tensor) == hashed(tensor.clone())


SCRIPT = """
import importlib, pathlib, sys
import poly.model
import run_of_mine
from poly import sweep

def own(*, n, generator):
    return run_of_mine.run(n=n, generator=generator)

if __name__ == "__main__":
    here, changed = pathlib.Path(sys.argv[1]), run_of_mine if sys.argv[2] == "mine" else poly.model
    edited = pathlib.Path(changed.__file__)
    source = edited.read_text()
    right = "m**0.5" if sys.argv[2] == "poly" else "2 *"
    assert right in source
    edited.write_text(source.replace(right, right + " / 1000" if sys.argv[2] == "poly" else "2000 *"))
    try:
        run = own if sys.argv[2] == "poly" else run_of_mine.run
        sweep.sweep(run, {"n": [3]}, seeds=1, store=here / "store", progress=False)
    except sweep.CellError as error:
        print(error)
    print(len(list((here / "store").glob("*.json"))))
    if sys.argv[2] == "mine":
        importlib.reload(run_of_mine)
        print(sweep.sweep(own, {"n": [3]}, seeds=1, store=here / "store", progress=False).value[0] > 100)
"""


@pytest.mark.parametrize("edited", ["mine", "poly"])
def test_an_edit_between_import_and_sweep_stores_nothing(edited: str, tmp_path: Path) -> None:
    shutil.copytree(LABORATORY, tmp_path / "poly", ignore=shutil.ignore_patterns("press", "__pycache__"))
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    run = "def run(*, n, generator): return 2 * model.init(n, 4, generator=generator).max()"
    source = f"from poly import model\n{run}\n"
    (tmp_path / "run_of_mine.py").write_text(source, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "script.py", str(tmp_path), edited],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = found.stdout.splitlines()
    module = {"mine": "run_of_mine", "poly": "poly.model"}[edited]
    assert said[0].startswith(f"{{'n': 3}}, seed 0: OtherCodeError: {module}: not the same"), found
    assert said[1:] == (["0", "True"] if edited == "mine" else ["0"]), found


def test_code_around_a_value_without_content_counts_where_that_is_allowed(user: Any) -> None:
    source = "import logging\nLOG = logging.getLogger('mine')\n" + RUN.format("LOG.level + {} * n")
    one = user("run_of_mine", source.replace("{}", "1")).run
    with pytest.raises(ValueError, match=r"^run: finds <Logger mine"):
        hashing.code_hash(one)
    before = hashing.code_hash(one, strict=False)
    assert before == hashing.code_hash(user("run_of_mine", source.replace("{}", "1")).run, strict=False)
    assert before != hashing.code_hash(user("run_of_mine", source.replace("{}", "2")).run, strict=False)
