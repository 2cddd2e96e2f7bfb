"""The press, tried for real on a tiny book of two chapters: execute, cache, fail, kill, resume, record, check."""

import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import nbformat
import pytest
from nbformat import NotebookNode
from rich.console import Console

from poly.press import (
    build,
    chapters,
    check,
    execute,
    figure_data,
    keys,
    parameters,
    progress,
    record,
    serve,
    sockets,
    stage,
    verify,
)
from poly.press.chapters import PressError

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
    "book/claims.yml": "C1: &first {statement: first, prediction: {value: 0, tolerance: 1, says: zero}, test: look, "
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
    """A chapter with a title, a parameters cell and these code cells."""
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
    """A book of a front page and two chapters, with a `poly` of its own."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    write(root / "book/01-one.ipynb", chapter("One", FIGURE, RATE))
    write(root / "book/02-two.ipynb", chapter("Two", CLAIM, WAIT))
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below the folder except `_build`."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    ignored = {"_build", "__pycache__"}
    return {path.as_posix(): (folder / path).read_bytes() for path in paths if not ignored & set(path.parts)}


def times(root: Path) -> dict[str, int]:
    """When each chapter was executed."""
    return {path.stem: path.stat().st_mtime_ns for path in (root / "_build/executed").glob("*.ipynb")}


def press(root: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """The command line on this book, in a process group of its own."""
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
    """Wait until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book that was built once; tests read it or copy it, and leave it as it is."""
    root = make_book(tmp_path_factory.mktemp("finished"))
    build.build(root)
    return root


@pytest.fixture
def built(finished: Path, tmp_path: Path) -> Path:
    """A copy of the built book, for changing."""
    return Path(shutil.copytree(finished, tmp_path / "book", copy_function=shutil.copy2))


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The book before any build."""
    return make_book(tmp_path)


# Building


def test_a_build_leaves_the_sources_alone(finished: Path, tmp_path: Path) -> None:
    assert contents(finished) == contents(make_book(tmp_path))


def test_the_pages_hold_figures_captions_numbers_and_no_live_caption(finished: Path) -> None:
    html = finished / "_build/html"
    one = (html / "book/01-one.html").read_text(encoding="utf-8")
    assert 'alt="one dot" class="no-invert"' in one
    assert "One <em>dot</em>" in one
    assert "math" in one.partition("One <em>dot</em>")[2].partition("</figcaption>")[0]
    assert "LIVE CAPTION" not in one
    assert "one over rate: 2.0" in one
    assert "6 1,2" in (html / "book/02-two.html").read_text(encoding="utf-8")
    assert 'href="01-one.html#fig-dot"' in (html / "book/index.html").read_text(encoding="utf-8")
    claims = json.loads((html / "claims.json").read_text(encoding="utf-8"))
    assert [claim["id"] for claim in claims] == ["C1", "C2"]
    assert claims[1] == RECORD


def test_a_figure_offers_its_numbers_and_provenance_has_their_hash(finished: Path) -> None:
    html = finished / "_build/html"
    page = (html / "book/01-one.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(\.\./_downloads/[^"]*fig-dot\.(?:csv|npz))"', page)
    assert [Path(link).suffix for link in links] == [".csv", ".npz"]
    assert (html / "book" / links[0]).read_text(encoding="utf-8") == "x,y\n1,0.5\n2,1.5\n"
    archive = (html / "book" / links[1]).read_bytes()
    found = json.loads((html / "provenance.json").read_text(encoding="utf-8"))
    assert found["chapters"]["01-one"]["figures"] == {"fig-dot": hashlib.sha256(archive).hexdigest()}
    assert found["book"]["commit"] == "unknown"
    run = found["chapters"]["02-two"]["run"]
    assert run["seeds"] == {}
    assert run["python"] == platform.python_version()
    assert run["peak_memory_gib"] > 0.02
    assert len(run["cells"]) == 3


def test_each_page_says_at_its_foot_what_it_was_made_from(finished: Path) -> None:
    for page, expected in (("book/index", 1), ("book/01-one", 10)):
        text = (finished / f"_build/html/{page}.html").read_text(encoding="utf-8")
        (foot,) = re.findall(r'<details class="provenance">.*?</details>', text, flags=re.DOTALL)
        assert foot.count("<tr>") == expected


def test_a_second_build_executes_and_renders_nothing(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, page = times(built), (built / "_build/html/index.html").stat().st_mtime_ns
    build.build(built)
    assert times(built) == before
    assert (built / "_build/html/index.html").stat().st_mtime_ns == page
    shown = capsys.readouterr().out
    assert shown.count("unchanged") == 2
    assert str(built / "_build/html/index.html") in shown


def without_foot(page: Path) -> str:
    return re.sub(r'<details class="provenance">.*?</details>', "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_rendered_again_every_page_is_the_same_byte_for_byte(built: Path) -> None:
    last = contents(built / "_build/html")
    (built / "_build/html.stamp").unlink()
    build.build(built)
    assert contents(built / "_build/html") == last


def test_one_change_executes_one_chapter_and_changes_its_page_only(built: Path) -> None:
    before = times(built)
    html = built / "_build/html"
    other, claims = without_foot(html / "book/01-one.html"), (html / "claims.json").read_bytes()
    edit(built / "src/poly/near.py", "3 * n", "5 * n")
    build.build(built)
    after = times(built)
    assert after["01-one"] == before["01-one"]
    assert after["02-two"] != before["02-two"]
    assert "12 1,2" in (html / "book/02-two.html").read_text(encoding="utf-8")
    assert without_foot(html / "book/01-one.html") == other
    assert (html / "claims.json").read_bytes() == claims


def test_a_failing_cell_is_shown_and_the_last_book_stays(built: Path, tmp_path: Path) -> None:
    write(built / "book/01-one.ipynb", chapter("One", FIGURE, FAIL))
    write(built / "book/02-two.ipynb", chapter("Two", CLAIM, WAIT + "\nchanged = 1"))
    last = contents(built / "_build/html")
    pid = tmp_path / "pid"
    started = time.monotonic()
    process = press(built, "build", KERNEL_PID=str(pid))
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "01-one: started, 3 cells" in output.splitlines()
    assert time.monotonic() - started < 60
    for part in ("01-one failed in code cell 3 of 3", "1 / 0  # no", "ZeroDivisionError"):
        assert part in errors
    assert "\x1b" not in errors
    assert "poly/press" not in errors  # no traceback of the press itself
    assert contents(built / "_build/html") == last
    eventually(lambda: not is_alive(int(pid.read_text())), 10)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_build_leaves_no_kernel_and_the_next_one_resumes(book: Path, how: signal.Signals) -> None:
    pid = book / "_build" / "pid"
    process = press(book, "build", "--jobs", "2", KERNEL_PID=str(pid))
    eventually(lambda: pid.exists() and "01-one" in times(book))
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.strip().startswith("interrupted")
        assert len(errors.strip().splitlines()) == 1
    eventually(lambda: not is_alive(int(pid.read_text())), 10)
    before = times(book)
    assert list(before) == ["01-one"]
    assert not (book / "_build/html").exists()
    pages = chapters.read_pages(book)
    left = [Path(file.read_text()) for file in (book / "_build/jupyter").glob("sockets-*")]
    assert [folder.exists() for folder in left] == [True] * (how == signal.SIGKILL)
    results = execute.up_to_date(book, chapters.find_chapters(pages, []))
    assert not any(folder.exists() for folder in left)
    assert not list((book / "_build/jupyter").glob("sockets-*"))
    assert [result.cached for result in results] == [True, False]
    assert times(book)["01-one"] == before["01-one"]
    assert not list((book / "_build/executed").glob("*.tmp"))


@pytest.mark.skipif(os.name != "posix", reason="sockets with names")
def test_kernels_listen_where_no_other_process_can_take_their_place(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, asked = sockets.holds_sockets, threading.Lock()

    def holds_sockets(folder: str) -> bool:
        """As two processes or threads would find it that ask at once."""
        if not asked.acquire(blocking=False):
            return False
        try:
            time.sleep(0.2)
            return alone(folder)
        finally:
            asked.release()

    monkeypatch.setattr(sockets, "holds_sockets", holds_sockets)
    where = """
        import json
        from ipykernel import get_connection_file
        with open(get_connection_file(), encoding="utf-8") as file:
            found = json.load(file)
        assert len(found["ip"]) < 100
        print(found["transport"], found["ip"])
        """
    for name in ("01-one", "02-two"):
        write(book / "book" / f"{name}.ipynb", chapter(name, where))
    done = execute.up_to_date(book, chapters.find_chapters(chapters.read_pages(book), []))
    said = [re.search(r"ipc (\S+)", chapters.notebook_text(result.notebook)) for result in done]
    places = {match[1].split("\\")[0] for match in said if match}
    assert len(places) == 2
    assert not any(Path(place).parent.exists() for place in places)


def test_two_builds_at_once_are_refused(book: Path) -> None:
    with chapters.only_one(book / "_build"), pytest.raises(PressError, match="another build is at work"):
        build.build(book)


def test_a_warning_of_the_renderer_fails_the_build_and_the_last_book_stays(built: Path) -> None:
    last = contents(built / "_build/html")
    edit(built / "book/index.md", "fig-dot", "fig-gone")
    with pytest.raises(PressError) as caught:
        build.build(built)
    assert "fig-gone" in str(caught.value)
    assert "book/index.md" in str(caught.value)
    assert contents(built / "_build/html") == last


def test_a_swap_that_was_cut_off_is_repaired(tmp_path: Path) -> None:
    old, html = tmp_path / "html.old", tmp_path / "html"
    old.mkdir()
    (old / "index.html").write_text("last good book")
    stage.repair(tmp_path)
    assert (html / "index.html").read_text() == "last good book"
    old.mkdir()
    stage.repair(tmp_path)
    assert (html / "index.html").is_file()
    assert not old.exists()


def outputs_of(*metadata: dict[str, Any], kind: str = "text/plain") -> NotebookNode:
    """A chapter whose second code cell has one display for each metadata."""
    notebook = chapter("One", "draw()")
    outputs = [{"output_type": "display_data", "data": {kind: "x"}, "metadata": one} for one in metadata]
    notebook.cells[2].outputs = [nbformat.from_dict(output) for output in outputs]  # type: ignore[no-untyped-call]
    return notebook


def test_each_figure_gets_a_cell_of_its_own() -> None:
    about = {"alt": "seen", "caption": "C", "data": figure_data.pack({"x": [1]}, "exact")}
    figures = [{"poly": {"figure": about | {"name": name}}} for name in ("fig-a", "fig-b")]
    notebook = outputs_of({}, figures[0], {"poly": {"caption": True}}, figures[1], {}, {})
    cells = stage.for_the_page(notebook, "01-one").cells[2:]
    assert [cell.source for cell in cells] == ["draw()", "", "", ""]
    assert [len(cell.outputs) for cell in cells] == [1, 1, 1, 2]
    names = [cell.metadata.get("mystnb", {}).get("figure", {}).get("name") for cell in cells]
    assert names == [None, "fig-a", "fig-b", None]
    assert [cell.metadata.get("tags") for cell in cells] == [None, *([["remove-input"]] * 3)]
    assert len({cell.id for cell in cells}) == 4
    alone = stage.for_the_page(outputs_of(figures[0], {"poly": {"caption": True}}), "01-one").cells[2:]
    assert [cell.source for cell in alone] == ["draw()"]
    assert alone[0].metadata["mystnb"]["image"] == {"alt": "seen"}


def test_a_picture_without_alt_text_and_an_error_output_never_reach_the_page(book: Path) -> None:
    with pytest.raises(PressError, match="01-one: the cell that begins 'draw\\(\\)' shows a picture without alt text"):
        stage.for_the_page(outputs_of({}, kind="image/png"), "01-one")
    page = chapters.read_pages(book)[1]
    notebook = chapter("One", "fail()")
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    notebook.cells[2].outputs = [nbformat.from_dict(error)]  # type: ignore[no-untyped-call]
    with pytest.raises(PressError, match="01-one holds the output of a failed cell"):
        stage.render(book, book / "_build", [page], {page: notebook})


@pytest.mark.parametrize("terminal", [True, False])
def test_the_display_tells_chapter_cell_and_time(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "Console", lambda **_: Console(force_terminal=terminal, width=100))
    watches = [progress.Watch("01-one", cells=7), progress.Watch("02-two", cells=5)]
    with progress.display(watches) as tick:
        tick()
        watches[0].started, watches[0].cell = time.monotonic() - 65, 3
        tick()
        watches[0].told -= progress.PLAIN_INTERVAL
        tick()
        tick()
        watches[0].ended = time.monotonic()
        tick()
        tick()
    shown = capsys.readouterr().out
    if terminal:
        assert "cell  3/7" in shown
        assert "1 min 05 s" in shown
        assert "waiting" in shown
    else:
        assert shown.splitlines() == [
            "01-one: started, 7 cells",
            "01-one: cell 3/7 after 1 min 05 s",
            "01-one: finished after 1 min 05 s",
        ]


# Keys


def key_of(root: Path, name: str = "02-two") -> str:
    """The key of a chapter as it is on disk."""
    return keys.chapter_key(root, chapters.read_notebook(root / f"book/{name}.ipynb"))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("book/02-two.ipynb", '"parameters"', '"hide-input"'),
        ("src/poly/far.py", "- n", "- 1 * n"),
        ("src/poly/near.py", "3 * n", "4 * n"),  # imported by far, inside a function
        ("src/poly/__init__.py", "", "x = 1"),
        ("book/data/points.csv", "1", "2"),
        ("book/claims.yml", "second", "2nd"),
        ("requirements.txt", "papermill", "papermill==2"),
    ],
)
def test_the_key_changes_with(book: Path, file: str, old: str, new: str) -> None:
    before = key_of(book)
    edit(book / file, old, new)
    assert key_of(book) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("book/02-two.ipynb", '"execution_count": null', '"execution_count": 1'),
        ("book/02-two.ipynb", '"id": "cell-0"', '"id": "other"'),
        ("book/01-one.ipynb", "# One", "# First"),
        ("book/02-two.ipynb", "# Two", "# Second"),
        ("book/02-two.ipynb", "from poly import far", "# far from it\\nfrom poly import far  # a module"),
        ("src/poly/far.py", "def double(n):", 'def double(n):\n    """Twice."""'),
        ("src/poly/near.py", "3 * n", "3*n  # three times"),
        ("src/poly/__init__.py", "", '"""What it is."""\n'),
        ("src/poly/unused.py", "", "x = 1"),
        ("book/data/other.csv", "3", "4"),
        ("book/claims.yml", "first", "1st"),
        ("_config.yml", "Tiny", "Small"),
    ],
)
def test_the_key_does_not_change_with(book: Path, file: str, old: str, new: str) -> None:
    before = key_of(book)
    edit(book / file, old, new)
    assert key_of(book) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("book/02-two.ipynb", "far.double(n)", "far.double(n + 0)", "code cell 2 changed"),
        ("src/poly/near.py", "3 * n", "4 * n", "src/poly/near.py changed"),
        ("book/data/points.csv", "1", "2", "book/data/points.csv changed"),
        ("book/claims.yml", "second", "2nd", "claim C2 changed"),
        ("src/poly/far.py", "from . import near", "near = None", "src/poly/far.py, src/poly/near.py changed"),
    ],
)
def test_stale_outputs_say_which_input_changed(book: Path, file: str, old: str, new: str, says: str) -> None:
    path = book / "book/02-two.ipynb"
    notebook = chapters.read_notebook(path)
    for number, cell in enumerate(chapters.code_cells(notebook), 1):
        cell.execution_count = number
    now = keys.inputs(book, notebook)
    notebook.metadata["poly"] = {"key": keys.key_of(now), "inputs": now}
    write(path, notebook)
    edit(book / file, old, new)
    pages = chapters.find_chapters(chapters.read_pages(book), ["02"])
    stale = [line for line in record.faults(book, pages) if "stale" in line]
    assert stale == [f"02-two: its stored outputs are stale: {says}"]


def test_the_key_depends_on_parameters_and_sees_imports_beside_magics(book: Path) -> None:
    source = chapters.read_notebook(book / "book/02-two.ipynb")
    assert keys.chapter_key(book, source, {"n": 4}) != keys.chapter_key(book, source)
    path = book / "book/02-two.ipynb"
    write(path, chapter("Two", "%matplotlib inline\nimport poly.unused", "not python ("))
    before = key_of(book)
    edit(book / "src/poly/unused.py", "", "x = 1")
    assert key_of(book) != before
    edit(book / "src/poly/unused.py", "x = 1", "x = (")
    assert key_of(book) != before  # the kernel will say what is wrong


# Parameters


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("n=64", 64),
        ("n=1e3", 1000),
        ("n=-2", -2),
        ("rate=2", 2.0),
        ("rate=1e-5", 1e-5),
        ("rate=.inf", float("inf")),
        ("name=abc", "abc"),
        ("name=a=b", "a=b"),
        ("flag=false", False),
        ("widths=[3]", [3]),
        ("large=5", 5),
    ],
)
def test_parameters_are_read(word: str, value: object) -> None:
    known = parameters.known_parameters(chapter("One"))
    values = parameters.read_parameters([word], known, "01-one")
    (got,) = values.values()
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nn=1"], r"01-one has no parameter 'nn'; it has: n = 3, rate = 0.5, name = 'x', widths = \[1, 2\], flag"),
        (["n=abc"], "n=abc: expected a whole number, like its default 3"),
        (["n=1.5"], "n=1.5: expected a whole number"),
        (["n=.inf"], "n=.inf: expected a whole number"),
        (["n=true"], "n=true: expected a whole number"),
        (["n="], "n=: expected a whole number"),
        (["rate=abc"], "rate=abc: expected a number"),
        (["flag=1"], "flag=1: expected true or false"),
        (["name=5"], "name=5: expected a word"),
        (["widths=5"], r"widths=5: expected a list of at least one, each a whole number, like its default \[1, 2\]"),
        (["widths=[1, x]"], "expected a list of at least one, each a whole number"),
        (["widths=[]"], "expected a list of at least one, each a whole number"),
        (["--n", "5"], "'--n' is no parameter: write name=value"),
        (["widths=[1"], "not valid YAML"),
        (["n"], "'n' is no parameter: write name=value"),
        (["n=1", "n=2"], "n is given twice"),
    ],
)
def test_parameters_are_refused_in_one_line(words: list[str], message: str) -> None:
    known = parameters.known_parameters(chapter("One"))
    with pytest.raises(PressError, match=message) as caught:
        parameters.read_parameters(words, known, "01-one")
    assert "\n" not in str(caught.value)


def test_a_chapter_with_other_parameters_has_a_folder_of_its_own(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, last = times(built), contents(built / "_build/html")
    build.build_chapter(built, "1", ["rate=0.25"])
    out = built / "_build/chapter/01-one/rate=0.25"
    page = out / "html/book/01-one.html"
    assert "one over rate: 4.0" in (out / "01-one.ipynb").read_text(encoding="utf-8")
    assert "one over rate: 4.0" in page.read_text(encoding="utf-8")
    assert str(page) in capsys.readouterr().out
    assert (times(built), contents(built / "_build/html")) == (before, last)
    with pytest.raises(PressError, match=r"(?s)01-one failed in code cell 4 of 4.*rate must be positive, got nan"):
        build.build_chapter(built, "01-one", ["rate=.nan"])


# Stored outputs


def test_record_shows_what_changes_stores_it_and_then_finds_nothing_new(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = built / "book/02-two.ipynb"
    source = chapters.read_notebook(path)
    pages = chapters.find_chapters(chapters.read_pages(built), [])
    assert [fault.partition(": ")[2] for fault in record.faults(built, pages)] == ["no stored outputs"] * 2
    with pytest.raises(PressError, match="01-one has no stored outputs"):
        build.build_stored(built)
    build.record_chapters(built, [], dry_run=True)
    assert chapters.read_notebook(path) == source
    build.record_chapters(built, [], dry_run=False)
    assert record.faults(built, pages) == []
    stored = chapters.read_notebook(path)
    assert [cell.source for cell in stored.cells] == [cell.source for cell in source.cells]
    assert [cell.id for cell in stored.cells] == [cell.id for cell in source.cells]
    assert [cell.metadata for cell in stored.cells] == [cell.metadata for cell in source.cells]
    assert set(stored.metadata) == {"kernelspec", "language_info", "poly"}

    before = path.read_bytes(), path.stat().st_mtime_ns
    capsys.readouterr()
    build.record_chapters(built, ["2"], dry_run=False)
    assert capsys.readouterr().out == "02-two: nothing changed\n"
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    build.record_chapters(built, ["2"], dry_run=False, every=True)
    assert capsys.readouterr().out == "02-two: the outputs are the same\n02-two: written\n"
    assert path.read_bytes() == before[0]

    edit(built / "book/data/points.csv", "1,2", "8,9")
    assert record.faults(built, pages)[0].startswith("02-two: its stored outputs are stale")
    build.record_chapters(built, [], dry_run=False)
    shown = capsys.readouterr().out
    assert "-  6 1,2" in shown
    assert "+  6 8,9" in shown
    assert "01-one: nothing changed" in shown
    assert "6 8,9" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("counts", "fault"),
    [([2, 1, 3], "not executed once each, in order"), ([1, 2, None], "not executed once each"), ([1, 2, 3], "stale")],
)
def test_unfit_stored_outputs_are_named(book: Path, counts: list[int | None], fault: str) -> None:
    notebook = chapter("One", FIGURE, RATE)
    for cell, count in zip(notebook.cells[1:], counts, strict=True):
        cell.execution_count = count
    write(book / "book/01-one.ipynb", notebook)
    found = record.faults(book, chapters.read_pages(book)[1:2])
    assert len(found) == 1
    assert found[0].startswith("01-one: ")
    assert fault in found[0]


def test_stale_kept_runs_are_named(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(record, "faults", lambda *_: [])
    assert check.stored_outputs(book)
    (book / "book/data/runs").mkdir()
    (book / "book/data/runs/provenance.json").write_text('{"kept-a.npz": {"code": "1"}}')
    assert not check.stored_outputs(book)
    said = "book/data/runs/kept-a.npz: is gone, and provenance.json has it — `make audit` computes some of it again"
    assert capsys.readouterr().out.strip() == said


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "01-one: figure 'fig-a': has no plotted numbers"),
        ({"npz": "!", "level": "exact", "tolerance": 1}, "01-one: figure 'fig-a': its plotted numbers are damaged: .*"),
        (
            figure_data.pack({"x": [1]}, "exact") | {"level": "sure"},
            "01-one: figure 'fig-a': level='sure', must be one of exact, rounding, statistical",
        ),
    ],
)
def test_a_figure_without_its_numbers_stops_the_build(book: Path, data: Any, message: str) -> None:
    page = chapters.read_pages(book)[1]
    about = {"name": "fig-a", "alt": "seen", "caption": "C", "data": data}
    with pytest.raises(PressError, match=f"^{message}$"):
        stage.render(book, book / "_build", [page], {page: outputs_of({"poly": {"figure": about}})})


def test_two_figures_of_one_name_stop_the_build(book: Path) -> None:
    _, one, two = chapters.read_pages(book)
    about = {"name": "fig-a", "alt": "seen", "caption": "C", "data": figure_data.pack({"x": [1]}, "exact")}
    notebook = outputs_of({"poly": {"figure": about}})
    with pytest.raises(PressError, match=r"^02-two: figure 'fig-a' is shown in 01-one already, names are unique$"):
        stage.render(book, book / "_build", [one, two], {one: notebook, two: notebook})


def test_verify_holds_everything_against_the_published_ledger(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build.record_chapters(built, [], dry_run=False)
    capsys.readouterr()
    verify.verify(built)
    assert "1 of 1 claims held to the last digit shown, 0 moved" in capsys.readouterr().out
    assert not (built / "_build/verify/html").exists()

    published = tmp_path / "claims.json"
    published.write_text(json.dumps([RECORD | {"measured": 0.25}]), encoding="utf-8")
    verify.verify(built, published)
    assert "0 of 1 claims held to the last digit shown, 1 moved" in capsys.readouterr().out
    published.write_text(json.dumps([RECORD | {"verdict": "confirmed"}]), encoding="utf-8")
    with pytest.raises(PressError, match=r"^the verdict changed for C2$"):
        verify.verify(built, published)
    published.write_text("[{}]", encoding="utf-8")
    with pytest.raises(PressError, match=r"claims\.json: no claims\.json of this book: 'id'$"):
        verify.verify(built, published)


# One clear line


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("_toc.yml", FILES["_toc.yml"] + "- file: book/03-three\n", "_toc.yml names book/03-three, but there is no"),
        ("_toc.yml", "format: jb-book\nroot: [book\n", "_toc.yml, line .*: not valid YAML"),
        ("_toc.yml", "format: jb-book\n", "_toc.yml: "),
        ("_toc.yml", "", "_toc.yml: "),
        ("book/01-one.ipynb", "{", "01-one.ipynb is not a valid notebook"),
        ("book/claims.yml", "C1: {id: C1\n", "claims.yml, line .*: not valid YAML"),
        ("book/claims.yml", "- C1\n", "claims.yml: expected a mapping"),
        ("_toc.yml", "root: \udcff\n", "_toc.yml, byte 6: not valid UTF-8"),
        ("book/claims.yml", "C1: {statement: x}\n", "claims.yml, C1: field 'blind' is missing"),
    ],
)
def test_a_broken_book_gets_one_line(book: Path, file: str, text: str, message: str) -> None:
    (book / file).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(PressError, match=message) as caught:
        build.build(book)
    assert "\n" not in str(caught.value)


def test_the_command_line_prints_one_line_and_no_traceback(
    book: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = press(book / "book", "chapter", "9")  # the root is found from a folder below it
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error: no chapter '9' in _toc.yml; there are: 01-one, 02-two\n"
    assert output == ""


def test_serving_takes_the_next_free_port_and_asks_for_a_book(book: Path) -> None:
    with pytest.raises(PressError, match="there is no book"):
        serve.serve(book, 8000)
    with socket.socket() as taken:
        taken.bind((serve.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with serve.free_server(book, port) as server:
            assert port < server.server_port < port + 100
            assert server.server_address[0] == "127.0.0.1"


def test_texts_are_served_packed_to_who_can_unpack_them(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("word " * 1000, encoding="utf-8")
    with serve.free_server(tmp_path, 8900) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        for accepted in ("gzip, br", "identity"):
            with urlopen(Request(address, headers={"Accept-Encoding": accepted})) as answer:
                content = answer.read()
                assert (answer.headers["Content-Encoding"] == "gzip") == accepted.startswith("gzip")
                assert int(answer.headers["Content-Length"]) == len(content)
                whole = gzip.decompress(content) if accepted.startswith("gzip") else content
                assert whole == b"word " * 1000
        server.shutdown()


def test_the_first_stage_that_fails_ends_the_tests(book: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (book / "wrong.py").write_text("import os\nprint(undefined)\n")
    with pytest.raises(PressError, match="lint failed; the stages after it did not run"):
        check.run(book, fast=True)
    shown = capfd.readouterr().out
    assert shown.startswith("5 checks, on two quiet cores about ")
    assert "undefined" in shown
    assert "── 2/5" not in shown


def test_the_slowest_tests_are_told(tmp_path: Path) -> None:
    times = tmp_path / check.TIMES
    times.mkdir(parents=True)
    cases = "".join(f'<testcase classname="tests.test_a" name="test_{k}" time="{k}.5"/>' for k in range(12))
    (times / "tests.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    (times / "cut-off.xml").write_text("<testsuites><tests")
    found = check.slowest(tmp_path)
    assert len(found) == 10
    assert found[0] == (11.5, "tests.test_a.test_11")


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
