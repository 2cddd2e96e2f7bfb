"""Compiled code, wherever the package lies and whoever runs it: kept where that is possible, and never an error."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numba
import pytest
from numba.core import caching

from poly import compiled, model

# One of these cannot be written even by root: below a file there are no folders.
NOWHERE = "/dev/null/none"
CODE = """
import os
import poly.expected_loss, poly.flow, poly.experiments.noise_runs, poly.sparsify, poly.training, poly.untied
print(len(poly.sparsify.sparsify([0.3, 0.2, 0.1], 0.01).t) > 1)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Copy the package to where nothing can be kept beside it, as in a read-only installation."""
    ignored = shutil.ignore_patterns("__pycache__", "press")
    package = shutil.copytree(Path(model.__file__).parent, tmp_path / "lib/poly", ignore=ignored)
    (package / "__pycache__").write_text("not a folder")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def run(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python code that imports and calls compiled functions, without a home folder."""
    environment = os.environ | {"PYTHONPATH": str(root / "lib"), "TMPDIR": str(root / "tmp")} | variables
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        environment[name] = NOWHERE
    environment.pop("NUMBA_DISABLE_JIT", None)
    return subprocess.run([sys.executable, "-c", CODE], env=environment, check=False, capture_output=True, text=True)


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="needs a path below which nothing can lie")
@pytest.mark.parametrize("chosen", ["", NOWHERE])
def test_without_home_and_with_a_read_only_installation_all_works(installed: Path, chosen: str) -> None:
    done = run(installed, NUMBA_CACHE_DIR=chosen)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    (folder,) = (installed / "tmp").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbc"))  # the next process need not compile again


@pytest.mark.skipif(os.name != "posix", reason="owners and modes")
@pytest.mark.parametrize("kind", ["open", "link"])
def test_a_folder_that_others_can_write_to_is_not_used(installed: Path, kind: str) -> None:
    name = f"poly-numba-{os.getuid()}"
    taken = installed / ("elsewhere" if kind == "link" else f"tmp/{name}")
    taken.mkdir()
    taken.chmod(0o700 if kind == "link" else 0o777)
    if kind == "link":
        (installed / "tmp" / name).symlink_to(taken)
    done = run(installed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    assert not list(taken.iterdir())


def test_without_any_folder_it_is_compiled_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    def without_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(tempfile, "gettempdir", gone)
    monkeypatch.setattr(Path, "home", without_home)
    monkeypatch.setattr(caching.InTreeCacheLocator, "from_function", classmethod(lambda *_: None))
    monkeypatch.chdir(tmp_path)
    made = compiled.njit()(lambda x: 2 * x)
    assert made(1.5) == 3.0
    assert not isinstance(made._cache, caching.FunctionCache)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["empty", "a folder", "gone"])
def test_what_is_kept_may_be_damaged_or_gone(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def double(x: float) -> float:
        return 2 * x

    cache = tmp_path / "cache"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(cache))
    assert compiled.njit()(double)(1.5) == 3.0
    (index,) = cache.rglob("*.nbi")
    again = compiled.njit()(double)
    if damage == "gone":
        shutil.rmtree(cache)
    else:
        index.unlink()
        index.write_bytes(b"") if damage == "empty" else index.mkdir()
    assert again(1.5) == 3.0


TINY = {
    "outer.py": (
        "from poly import compiled, inner\n\n@compiled.njit()\ndef outer(x):\n    return inner.inner(x) + inner.SHIFT\n"
    ),
    "inner.py": (
        "from poly.compiled import njit\nfrom poly.constants import FACTOR\nSHIFT = 1.0\n\n"
        "@njit()\ndef inner(x):\n    return FACTOR * x\n"
    ),
    "constants.py": "FACTOR = 2.0\n",
    "other.py": "UNUSED = 0.0\n",
}


@pytest.mark.parametrize(
    ("edited", "old", "new", "result"),
    [
        ("inner.py", "FACTOR * x", "FACTOR * x * x", 5.5),
        ("inner.py", "SHIFT = 1.0", "SHIFT = 2.0", 5.0),
        ("constants.py", "2.0", "3.0", 5.5),
        ("other.py", "0.0", "1.0", 4.0),
    ],
)
def test_it_is_compiled_again_if_a_source_changes_that_it_contains(
    edited: str, old: str, new: str, result: float, tmp_path: Path
) -> None:
    """Edit each source: numba itself checks only the file of the function, and would keep the old code."""
    package = tmp_path / "poly"
    package.mkdir()
    for name, text in TINY.items():
        (package / name).write_text(text, encoding="utf-8")
    for name in ("__init__.py", "compiled.py"):
        shutil.copy(Path(compiled.__file__).with_name(name), package)
    code = "import sys; from poly import outer; print(outer.outer(1.5), sum(outer.outer.stats.cache_hits.values()))"

    def end() -> tuple[float, int]:
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
        value, hits = done.stdout.split()
        return float(value), int(hits)

    assert end() == (4.0, 0)
    assert end() == (4.0, 1)
    source = package / edited
    source.write_text(source.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert end() == (result, int(edited == "other.py"))


@pytest.mark.parametrize(
    ("compiled_module", "imported"),
    [
        ("flow/sparse", "flow/rkc"),
        ("flow/sparse", "flow/interference"),
        ("flow/sparse", "flow/stopping"),
        ("flow/dense", "flow/signs"),
        ("untied/kernels", "training/kernels"),
    ],
)
def test_the_flow_and_the_optimizers_are_compiled_again_if_a_module_that_they_use_changes(
    compiled_module: str, imported: str, tmp_path: Path
) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "press")
    package = shutil.copytree(Path(model.__file__).parent, tmp_path / "poly", ignore=ignored)
    path = str(package / f"{compiled_module}.py")
    code = f"import pathlib; from poly.compiled import source_stamp; print(source_stamp(pathlib.Path({path!r})))"

    def stamp() -> str:
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
        return done.stdout

    before = stamp()
    with (package / f"{imported}.py").open("a", encoding="utf-8") as source:
        source.write("\nCHANGED = 1\n")
    assert stamp() != before


def test_every_module_leaves_it_to_one() -> None:
    for path in Path(model.__file__).parent.rglob("*.py"):
        if path.name != "compiled.py":
            assert not re.search(r"jit\([^)]*cache=", path.read_text(encoding="utf-8")), path.name
