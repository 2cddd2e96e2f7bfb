"""Imports between layers, and test files for every module."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "poly"
# Packages whose ``__init__`` holds no code, and what only a browser can test.
UNTESTED = {"__init__.py", "press/__init__.py", "experiments/__init__.py", "tasks/__init__.py"}
ELSEWHERE = {"press/export.py": "browser/test_export.py"}
LONGEST = 400


def layers(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environment = {"PYTHONPATH": str(root / "src"), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "line", "rule"),
    [
        ("checks/__init__.py", "from poly import model", "The laboratory: nothing imports upward"),
        ("model.py", "from poly import flow", "The laboratory: nothing imports upward"),
        ("flow/rkc.py", "from poly.experiments import noise_runs", "The laboratory: nothing imports upward"),
        ("sweep/archive.py", "from poly.press import chapters", "The laboratory: nothing imports upward"),
        ("press/chapters.py", "from poly.press import render", "The press: nothing imports upward"),
        ("theory/biased_slots.py", "import torch", "Closed forms, intervals and tests need no torch"),
        ("audit/report.py", "from poly import press", "The laboratory: nothing imports upward"),
        ("metrics/__init__.py", "from matplotlib import pyplot", "The laboratory draws nothing and knows no notebook"),
    ],
)
def test_an_import_that_breaks_the_layers_is_found(module: str, line: str, rule: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "src" / "poly" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    found = layers(tmp_path)
    assert found.returncode == 1
    assert f"{rule} BROKEN" in found.stdout


@pytest.mark.parametrize("module", ["stray.py", "press/stray.py"])
def test_a_module_outside_the_layers_is_found(module: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src" / "poly" / module).write_text("x = 1\n", encoding="utf-8")
    found = layers(tmp_path)
    assert found.returncode == 1
    assert f"poly.{module.removesuffix('.py').replace('/', '.')}" in found.stdout


def test_closed_forms_and_intervals_work_without_torch() -> None:
    code = """
        import sys

        class NoTorch:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] == "torch":
                    raise ImportError("no torch here")

        sys.meta_path.insert(0, NoTorch())
        from poly import inference, theory
        from poly.theory import biased_slots

        print(theory.polysemantic_neurons(256, 1024), round(biased_slots.kappa(256, 1024), 3))
        print(inference.wilson(3, 10)[0])
        print("torch" in sys.modules)
    """
    command = [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines())]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    assert found.stdout == "16.0 3.179\n0.3\nFalse\n"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_its_tests(path: Path) -> None:
    module = path.relative_to(PACKAGE)
    name = module.parent.name if path.name == "__init__.py" else module.stem.strip("_")
    tests = ROOT / "tests" / ELSEWHERE.get(module.as_posix(), str(module.parent / f"test_{name}.py"))
    assert module.as_posix() in UNTESTED or tests.exists()


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT / "tests"))
)
def test_no_test_file_is_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
