"""The Makefile, with an interpreter that only notes how it is called: what is installed, when, and what is removed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


# Fit for the book, makes itself the environment's interpreter, and notes the variables that pip would see.
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    "-m pip") echo "$@" >> pip.calls; env >> pip.env ;;
esac
"""


pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What make reads, and the interpreter."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def make(folder: Path, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the folder with these variables."""
    command = ["make", target, "PYTHON=./python"]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def installs(folder: Path, **variables: str) -> int:
    """How often pip is called."""
    (folder / "pip.calls").unlink(missing_ok=True)
    done = make(folder, "install", **variables)
    assert done.returncode == 0, done.stderr
    return len((folder / "pip.calls").read_text().splitlines()) if (folder / "pip.calls").exists() else 0


def test_packages_go_into_the_environment_whatever_the_reader_set_for_pip(copy: Path) -> None:
    where = dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PYTHONPATH"), "/elsewhere")
    set_up = {"PIP_USER": "true", "PIP_DRY_RUN": "1", "PYTHONWARNINGS": "error", "FORCE_COLOR": "1"}
    assert installs(copy, PIP_INDEX_URL="https://example.org", **where, **set_up) == 2
    seen = dict(line.split("=", 1) for line in (copy / "pip.env").read_text().splitlines() if "=" in line)
    assert not {*where, "PYTHONWARNINGS", "FORCE_COLOR"} & set(seen)
    assert (seen["PIP_USER"], seen["PIP_DRY_RUN"]) == ("0", "0")
    # A file of settings is overruled by what the command line says, empty though it is.
    assert all("--target  --" in line for line in (copy / "pip.calls").read_text().splitlines())
    assert seen["PIP_INDEX_URL"] == "https://example.org"  # where they come from is the reader's choice


@pytest.mark.parametrize("name", ["requirements.txt", "pyproject.toml"])
def test_packages_are_installed_when_files_change_and_not_when_clocks_do(copy: Path, name: str) -> None:
    assert installs(copy) == 2
    assert installs(copy) == 0
    file = copy / name
    for time in (2**32, 1):  # the year 2106, and 1970
        os.utime(file, (time, time))
        assert installs(copy) == 0
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))  # as git checks out on Windows
    assert installs(copy) == 0
    file.write_bytes(file.read_bytes() + b"# changed\n")
    os.utime(file, (1, 1))
    assert installs(copy) == 2
    assert installs(copy) == 0


def test_a_moved_environment_is_set_up_again(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert installs(copy) == 2
    moved = copy.rename(tmp_path_factory.mktemp("other") / "moved")
    assert installs(moved) == 2
    assert installs(moved) == 0


def test_clean_removes_a_folder_and_empties_what_a_link_leads_to(copy: Path, tmp_path: Path) -> None:
    for linked in (False, True):
        build, target = copy / "_build", tmp_path / "elsewhere"
        if linked:
            target.mkdir()
            build.symlink_to(target)
        for name in ("html/index.html", "name with blanks", ".hidden/file", "..odd"):
            (build / name).parent.mkdir(parents=True, exist_ok=True)
            (build / name).write_text("x")
        assert make(copy, "clean").returncode == 0
        assert build.is_symlink() == linked
        assert list(target.iterdir()) == [] if linked else not build.exists()
    target.rmdir()
    assert make(copy, "clean").returncode == 0  # a link to nothing goes
    assert not build.is_symlink()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("sys.version_info = (3, 10, 1)", "error: Python 3.11, 3.12 or 3.13 is needed"),
        ("sys.version_info = (3, 14, 0)", "error: Python 3.11, 3.12 or 3.13 is needed"),
        ("sys.modules['venv'] = None", "lacks the venv module"),
    ],
)
def test_make_refuses_an_unfit_python_in_one_line(tmp_path: Path, code: str, line: str) -> None:
    home = Path(__file__).resolve().parents[1]
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(home / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; {code}; exec(sys.argv.pop(2))" "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "book", "PYTHON=./python"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    errors = [one for one in done.stderr.splitlines() if not one.startswith("make")]
    assert len(errors) == 1
    assert line in errors[0]
    assert not (tmp_path / ".venv").exists()
