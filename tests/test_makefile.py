"""The Makefile and install.py, with an interpreter that notes how pip is called: what is installed, and when."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("Makefile", "install.py", "requirements.txt", "pyproject.toml")
# As pip it notes its arguments and variables, prints ``says``, waits while ``wait`` exists, and exits with ``status``.
PYTHON = f"""#!/bin/sh
case "$1" in
    install.py) exec {sys.executable} fake.py "$@" ;;
    -m) echo "$@" >> pip.calls; env >> pip.env; cat says 2>/dev/null
        while [ -e wait ]; do sleep 0.05; done
        exit `cat status 2>/dev/null || echo 0` ;;
esac
"""
# Runs install.py, which makes this interpreter that of the environment.
FAKE = """import runpy, shutil, sys, venv
from pathlib import Path


def create(folder, **options):
    Path(folder, "bin").mkdir(exist_ok=True)
    shutil.copy("python", Path(folder, "bin"))

venv.create = create
del sys.argv[0]
runpy.run_path("install.py", run_name="__main__")
"""


# Set by a make around these tests; it would print the folders that it enters.
OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """Make a folder with the files that make reads, and a stand-in for Python."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "fake.py").write_text(FAKE)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    yield tmp_path
    (tmp_path / "wait").unlink(missing_ok=True)


def make(folder: Path, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the folder with these variables."""
    command = ["make", target, "PYTHON=./python"]
    inherited = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    environment = {**inherited, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def installs(folder: Path, **variables: str) -> int:
    """Return how often `make install` calls pip."""
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
    for seconds in (2**32, 1):  # the year 2106, and 1970
        os.utime(file, (seconds, seconds))
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


def test_an_environment_whose_python_does_not_run_is_made_again(copy: Path) -> None:
    assert installs(copy) == 2
    (copy / ".venv" / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    assert installs(copy) == 2
    assert installs(copy) == 0


def test_an_environment_for_other_packages_keeps_its_files(copy: Path) -> None:
    assert installs(copy) == 2
    (copy / ".venv" / "package").touch()
    (copy / "requirements.txt").write_text("other==1\n")
    assert installs(copy) == 2
    assert (copy / ".venv" / "package").exists()


def test_progress_is_shown_and_a_failure_of_pip_is_one_line_with_the_end_of_its_output(copy: Path) -> None:
    (copy / "says").write_text("Collecting x\n" * 45 + "Installing collected packages: x\nSuccessfully installed x\n")
    lines = make(copy, "install").stdout.splitlines()
    assert lines[0].startswith("setting up .venv")
    assert lines[1:5] == ["  20 packages found", "  40 packages found", "  installing", "  installed"]
    (copy / "requirements.txt").write_text("other==1\n")
    (copy / "says").write_text("".join(f"line {number}\n" for number in range(9)))
    (copy / "status").write_text("1")
    for _ in range(2):  # nothing pretends afterward to be installed
        failed = make(copy, "install")
        assert failed.returncode != 0
        errors = [line for line in failed.stderr.splitlines() if not line.startswith("make")]
        assert errors[:5] == [f"line {number}" for number in range(4, 9)]
        assert errors[5:] == ["error: the packages could not be installed; pip's whole output is in .venv/install.log"]
    assert len((copy / ".venv" / "install.log").read_text().splitlines()) == 9
    (copy / "status").unlink()
    assert installs(copy) == 2


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_second_setup_is_refused_and_one_that_was_cut_off_is_done_again(copy: Path, sent: signal.Signals) -> None:
    (copy / "wait").touch()
    command = ["make", "install", "PYTHON=./python"]
    output = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=copy, stdout=output, stderr=output, start_new_session=True) as first:
        while not (copy / "pip.calls").exists():
            time.sleep(0.05)
        second = make(copy, "install")
        assert second.returncode != 0
        assert "is already setting up .venv: wait for it" in second.stderr
        os.killpg(first.pid, sent)
    assert not (copy / ".venv" / ".installed").exists()
    (copy / ".venv" / "half").touch()
    (copy / "wait").unlink()
    assert installs(copy) == 2
    assert not (copy / ".venv" / "half").exists()
    assert installs(copy) == 0


def test_an_orphaned_pip_still_keeps_others_out(copy: Path) -> None:
    (copy / "wait").touch()
    command = [sys.executable, "fake.py", "install.py"]
    with subprocess.Popen(command, cwd=copy, stdout=subprocess.DEVNULL) as first:
        while not (copy / "pip.calls").exists():
            time.sleep(0.05)
        first.kill()
    assert "is already setting up .venv" in make(copy, "install").stderr
    (copy / "wait").unlink()
    deadline = time.monotonic() + 30
    while make(copy, "install").returncode != 0:
        assert time.monotonic() < deadline
    assert (copy / ".venv" / ".installed").exists()


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


def test_an_old_python_understands_the_script_that_refuses_it() -> None:
    ast.parse((ROOT / "install.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("sys.version_info = (3, 6, 1)", "error: Python 3.11, 3.12 or 3.13 is needed"),
        ("sys.version_info = (3, 10, 1)", "error: Python 3.11, 3.12 or 3.13 is needed"),
        ("sys.version_info = (3, 14, 0)", "error: Python 3.11, 3.12 or 3.13 is needed"),
        ("sys.modules['venv'] = None", "lacks the venv module"),
        ("sys.modules['ensurepip'] = None", "lacks the venv module"),
        ("os.environ['PATH'] = ''", "error: git is not installed"),
    ],
)
def test_make_refuses_what_cannot_work_in_one_line(copy: Path, code: str, line: str) -> None:
    run = "del sys.argv[0]; runpy.run_path('install.py', run_name='__main__')"
    (copy / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import os, runpy, sys; {code}; {run}" "$@"\n')
    refused = make(copy, "book")
    assert refused.returncode != 0
    errors = [one for one in refused.stderr.splitlines() if not one.startswith("make")]
    assert len(errors) == 1
    assert line in errors[0]
    assert not (copy / ".venv").exists()


def test_a_python_that_is_not_there_is_one_line(copy: Path) -> None:
    (copy / "python").unlink()
    refused = make(copy, "book")
    errors = [one for one in refused.stderr.splitlines() if not one.startswith("make")]
    assert len(errors) == 1
    assert errors[0].startswith("error: there is no ./python: install Python 3.11")
    assert refused.returncode != 0
