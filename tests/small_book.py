"""A tiny book of two chapters, on which the press is tried for real."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from poly.press import chapters
from poly.press.figures import figure_data

PARAMETERS = "n = 3\nrate = 0.5\nname = 'x'\nwidths = [1, 2]\nflag = True\nlarge = 10**3"


RECORD = {
    "id": "C2", "statement": "second", "chapter": "02-two", "predicted": 0.0, "measured": 0.5, "low": 0.0, "high": 2.0,
    "verdict": "open", "seeds": 3, "blind": True,
}  # fmt: skip


FIGURE = """
from IPython.display import Image, display
import base64
png = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
figure = {"name": "fig-dot", "alt": "one dot", "caption": "One *dot*, $x^2$.", "theme": "keep"} | dict(data=DATA)
display(Image(png), metadata={"poly": {"figure": figure}})
display({"text/plain": "LIVE " + "CAPTION"}, raw=True, metadata={"poly": {"caption": True}})
""".replace("DATA", repr(figure_data.pack({"x": [1, 2], "y": [0.5, 1.5]}, "exact")))


RATE = """
if not rate > 0:
    raise ValueError(f"rate must be positive, got {rate}")
print("one over rate:", 1 / rate, "C1")
"""


CLAIM = """
from IPython.display import display
from poly import far
print(far.double(n), open("data/points.csv").read())
display({"text/plain": "card"}, raw=True, metadata={"poly": {"claim": RECORD}})
""".replace("RECORD", repr(RECORD))


# Waits when the test says so, without a change of its source; says which process the kernel is.
WAIT = """
import os, time
from pathlib import Path
if "KERNEL_PID" in os.environ:
    Path(os.environ["KERNEL_PID"]).write_text(str(os.getpid()))
    time.sleep(120)
"""


# Fails when the other chapter is under way.
FAIL = """
import os, time
while not os.path.exists(os.environ["KERNEL_PID"]):
    time.sleep(0.1)
1 / 0  # no
"""


FILES = {
    "_toc.yml": "format: jb-book\nroot: book/index\nchapters:\n- file: book/01-one\n- file: book/02-two\n",
    "_config.yml": "title: Tiny\nonly_build_toc_files: true\nexecute: {execute_notebooks: 'off'}\n"
    "parse: {myst_enable_extensions: [dollarmath]}\n",
    "requirements.txt": "papermill\n",
    "book/index.md": "# Tiny\n\nSee {numref}`fig-dot` in [one](01-one).\n",
    "book/claims.yml": "C1: &first {statement: first, prediction: {value: 0, tolerance: 1, says: zero, "
    "margin: derived, why: a test}, test: look, "
    "chapter: 03-three, expected: open, blind: true, registered: 2000-01-01, digits: 1}\n"
    "C2: {<<: *first, statement: second, chapter: 02-two}\n",
    "book/data/points.csv": "1,2\n",
    "book/data/other.csv": "3,4\n",
    "src/poly/__init__.py": "",
    "src/poly/near.py": "def triple(n):\n    return 3 * n\n",
    "src/poly/far.py": "def double(n):\n    from . import near\n    return near.triple(n) - n\n",
    "src/poly/unused.py": "",
}


def chapter(title: str, *sources: str) -> NotebookNode:
    """Make a chapter with a title, a parameters cell and these code cells."""
    cells: list[dict[str, Any]] = [{"cell_type": "markdown", "source": f"# {title}", "metadata": {}}]
    for number, source in enumerate([PARAMETERS, *sources]):
        metadata = {} if number else {"tags": ["parameters"]}
        code = textwrap.dedent(source).strip()
        cells.append(
            {"cell_type": "code", "source": code, "metadata": metadata, "outputs": [], "execution_count": None}
        )
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    whole = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    notebook: NotebookNode = nbformat.from_dict(whole)  # type: ignore[no-untyped-call]
    return notebook


def write(path: Path, notebook: NotebookNode) -> None:
    """Store a notebook as an editor would."""
    path.write_text(chapters.notebook_text(notebook), encoding="utf-8")


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must be in the file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def make_book(root: Path) -> Path:
    """Make a book of a front page and two chapters, with a `poly` of its own."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    write(root / "book/01-one.ipynb", chapter("One", FIGURE, RATE))
    write(root / "book/02-two.ipynb", chapter("Two", CLAIM, WAIT))
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of every file below the folder, except in `_build` and `__pycache__`."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    ignored = {"_build", "__pycache__"}
    return {path.as_posix(): (folder / path).read_bytes() for path in paths if not ignored & set(path.parts)}


def times(root: Path) -> dict[str, int]:
    """Return when each chapter was executed."""
    return {path.stem: path.stat().st_mtime_ns for path in (root / "_build/executed").glob("*.ipynb")}


def press(root: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Start the command line on this book, in a process group of its own."""
    # Tests that were started in the background of a script ignore Ctrl-C, and so would their children.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "poly.press", *arguments],
            cwd=root,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, inherited)


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition holds; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def outputs_of(*metadata: dict[str, Any], kind: str = "text/plain") -> NotebookNode:
    """Make a chapter whose second code cell has one display for each metadata."""
    notebook = chapter("One", "draw()")
    outputs = [{"output_type": "display_data", "data": {kind: "x"}, "metadata": one} for one in metadata]
    notebook.cells[2].outputs = [nbformat.from_dict(output) for output in outputs]  # type: ignore[no-untyped-call]
    return notebook
