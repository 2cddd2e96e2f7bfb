"""Kernels and figures are the same whatever the reader has set up for work of their own."""

import importlib
import io
import os
from pathlib import Path

import matplotlib as mpl
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from poly.press import chapters, execute, figures
from poly.press.chapters import PressError

OWN = {
    "text.usetex": True,
    "savefig.bbox": "tight",
    "figure.dpi": 30.0,
    "axes.titlesize": 40.0,
    "font.family": ["cursive"],
}
TOLD = """
import os
import matplotlib
changed = [key for key, value in matplotlib.rcParams.items() if value != matplotlib.rcParamsDefault[key]]
print(sorted(changed), matplotlib.get_backend(), os.environ.get("POLY_DRAW"))
"""


def size() -> tuple[int, int]:
    """Return the width and height of a picture drawn by ``figures``, in pixels."""
    fig, axis = figures.subplots()
    axis.plot([1, 2])
    axis.set_title("far\nabove\nall")
    picture = io.BytesIO()
    fig.savefig(picture, format="png")
    with Image.open(picture) as image:
        return image.size


def test_figures_are_drawn_as_in_the_book(monkeypatch: pytest.MonkeyPatch) -> None:
    before, style, backend = size(), dict(mpl.rcParams), mpl.get_backend()
    with mpl.rc_context(OWN):  # type: ignore[arg-type]
        importlib.reload(figures)
        assert (size(), dict(mpl.rcParams), mpl.get_backend()) == (before, style, backend)


def test_a_chapter_runs_with_matplotlibs_defaults_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src/poly").mkdir(parents=True)
    (tmp_path / "src/poly/__init__.py").touch()
    (tmp_path / "book").mkdir()
    path = tmp_path / "book/one.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(TOLD)]), path)  # type: ignore[no-untyped-call]
    rc, startup = tmp_path / "matplotlibrc", tmp_path / "startup.py"
    rc.write_text("text.usetex: True\nsavefig.bbox: tight\nno.such.key: 1\n")
    startup.write_text("print('hello from my own startup file')\n")
    for name, value in {
        "MATPLOTLIBRC": rc,
        "MPLCONFIGDIR": tmp_path,
        "PYTHONSTARTUP": startup,
        "MPLBACKEND": "no such backend",
        "POLY_DRAW": "none",
    }.items():
        monkeypatch.setenv(name, str(value))
    (done,) = execute.up_to_date(tmp_path, [chapters.Page("book/one", path)])
    assert [output.text for output in done.notebook.cells[0].outputs] == [
        "['backend'] module://matplotlib_inline.backend_inline None\n"
    ]
    assert os.environ["MATPLOTLIBRC"] == str(rc)


def test_a_book_in_a_folder_that_no_variable_can_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PressError, match="which separates folders in PYTHONPATH: move the book"):
        execute.environment(tmp_path / f"a{os.pathsep}b", 1)
