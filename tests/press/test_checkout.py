"""Test that a book is built with its own code, although one environment may serve two checkouts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from poly.press import __main__, checkout

HERE = Path(checkout.__file__).resolve().parents[3]
EDITED = ["press/build.py", "press/typeset/typeset.js", "model.py", "new.py"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a second checkout, while the environment still runs the first one's code."""
    root = tmp_path / "second clone"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(checkout.__file__).parents[1], root / "src/poly", ignore=ignored)
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (root / "book").mkdir()
    (root / "book/index.md").write_text("# Second\n")
    return root


def change(file: Path) -> None:
    with file.open("a", encoding="utf-8") as text:
        text.write("\n")


@pytest.mark.parametrize("edited", EDITED)
def test_a_checkout_refuses_the_code_of_another(
    edited: str, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clone)
    assert __main__.main(["chapter", "9"]) == 1
    assert capsys.readouterr().err.startswith("error: no chapter '9'")  # the same code in another place
    change(clone / "src/poly" / edited)
    for command in ("build", "record", "serve", "clean", "test"):
        assert __main__.main([command]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line == (
            f"error: the poly that runs, {Path(checkout.__file__).parents[1]}, is not that of {clone}: "
            f"type make there, use its .venv, or set PYTHONPATH={clone / 'src'}"
        )
    assert not (clone / "_build").exists()


def test_its_own_code_and_line_ends_of_another_system_are_fine(clone: Path) -> None:
    assert checkout.foreign(HERE) == ""
    file = clone / "src/poly/model.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert checkout.foreign(clone) == ""
    change(file)
    shutil.rmtree(clone / "src/poly/press")  # a book with a laboratory only is made by the press that is installed
    assert checkout.foreign(clone) == ""


def test_pytest_refuses_to_test_the_code_of_another(clone: Path) -> None:
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(HERE / name, clone)
    change(clone / "src/poly/model.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "book"],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(HERE / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"is not that of {clone}: type make there" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("files", [[], ["_toc.yml"], ["src/poly/__init__.py"]])
@pytest.mark.parametrize("command", ["build", "clean", "serve"])
def test_a_folder_that_is_no_book_stops_every_command(
    command: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert __main__.main([command]) == 1
    line = f"error: no _toc.yml beside src/poly in {tmp_path} or above it: change into the book's folder\n"
    assert capsys.readouterr() == ("", line)
