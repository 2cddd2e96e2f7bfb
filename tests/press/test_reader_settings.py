"""Test that the reader's settings change nothing: warnings, colors in logs, a missing home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from poly.press import chapters, execute, reader_settings
from poly.press.__main__ import main
from poly.press.execute import progress
from small_book import chapter, make_book, write

SEEN = """
import os, sys
print({name: os.environ.get(name) for name in ("PYTHONWARNINGS", "PY_COLORS", "JUPYTER_DATA_DIR")}, sys.warnoptions)
"""


def run(code: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process with these variables; None removes a variable."""
    environment = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("asked", ["error", "error::DeprecationWarning", "always", "default"])
def test_warnings_of_packages_end_nothing_and_fill_no_page(asked: str) -> None:
    code = (
        "import os, sys, warnings\nfrom poly.press.reader_settings import forget_warnings\nforget_warnings()\n"
        "warnings.warn('old', DeprecationWarning)\n"
        "print(os.environ.get('PYTHONWARNINGS'), sys.warnoptions)"
    )
    done = run(code, PYTHONWARNINGS=asked)
    assert (done.returncode, done.stdout, done.stderr) == (0, "None []\n", "")


def test_the_press_starts_where_warnings_are_errors(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "poly.press", "chapter", "9"]
    book = make_book(tmp_path)
    done = subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == "error: no chapter '9' in _toc.yml; there are: 01-one, 02-two\n"


def test_kernels_see_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in reader_settings.FOREIGN:
        monkeypatch.setenv(name, "error")
    book = make_book(tmp_path)
    write(book / "book/01-one.ipynb", chapter("One", SEEN))
    page = chapters.find_chapters(chapters.read_pages(book), ["1"])
    (done,) = execute.up_to_date(book, page)
    said = done.notebook.cells[2].outputs[0].text
    assert said.startswith("{'PYTHONWARNINGS': None, 'PY_COLORS': None, 'JUPYTER_DATA_DIR': '")
    assert f"'{book}/_build/jupyter/jupyter_data'}} []\n" in said


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "CLICOLOR_FORCE"])
def test_a_log_holds_plain_lines(
    variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, "1")
    watch = progress.Watch("01-one", cells=7, started=0.0)
    with progress.display([watch]) as tick:
        for watch.cell in range(7):
            tick()
    with progress.console(stderr=True).status("rendering the pages"):
        pass
    progress.console().print("[bold]done")
    shown = capsys.readouterr()
    assert shown.out == "01-one: started, 7 cells\ndone\n"
    assert shown.err == ""


@pytest.mark.parametrize("home", [None, "", "/nowhere", "relative"])
def test_who_has_no_home_gets_one_in_the_build_folder(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {} if home is None else {"HOME": home}
    monkeypatch.setattr(os, "environ", known)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path if home is None else home)  # no passwd entry
    reader_settings.provide_home(tmp_path)
    assert Path(known["HOME"]) == tmp_path / "_build" / "home"
    assert Path(known["HOME"]).is_dir()


def test_a_home_that_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    reader_settings.provide_home(tmp_path / "book")
    assert os.environ["HOME"] == str(tmp_path)
    assert not (tmp_path / "book").exists()


@pytest.mark.parametrize(
    "setting", [{"MPLBACKEND": "Qt4Agg"}, {"MPLBACKEND": "no_such"}, {"MATPLOTLIBRC": "damaged"}, {}]
)
def test_settings_of_matplotlib_end_no_command(tmp_path: Path, setting: dict[str, str]) -> None:
    book = make_book(tmp_path)
    if "MATPLOTLIBRC" in setting:
        (tmp_path / "damaged").write_bytes(b"font.size: \xff")
        setting = {"MATPLOTLIBRC": str(tmp_path / "damaged")}
    elif not setting:  # a file in this very folder
        (book / "matplotlibrc").write_bytes(b"font.size: \xff")
    done = subprocess.run(
        [sys.executable, "-m", "poly.press", "chapter", "9"],
        cwd=book,
        env=os.environ | setting,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: ")


def test_a_program_may_have_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    reader_settings.make_streams_safe()
    print("nobody reads this")
    assert sys.stderr.write("nor this") == 8


def test_a_perturbation_left_in_the_environment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(make_book(tmp_path))
    monkeypatch.setenv("POLY_PERTURB", "3")
    assert main(["record"]) == 1
    line = "error: POLY_PERTURB is set, and would perturb every start: unset it, or use `make perturb`\n"
    assert capsys.readouterr().err == line
