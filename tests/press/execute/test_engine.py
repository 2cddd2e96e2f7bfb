"""Test that nbclient's callbacks follow the cells, and that pieces of printed text are joined."""

import threading
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from poly.press import chapters, execute
from poly.press.chapters import PressError
from poly.press.execute import engine, kernels, progress
from small_book import chapter, make_book, write


class Client:
    """Stand in for papermill's client: start every cell, and execute none."""

    def __init__(self, nb_man: Any, *, on_cell_start: Any, **_: Any) -> None:
        self.cells, self.on_cell_start = nb_man.nb.cells, on_cell_start

    def execute(self, **_: Any) -> None:
        for index, cell in enumerate(self.cells):
            self.on_cell_start(cell=cell, cell_index=index)


class Manager:
    """Stand in for papermill's manager of a notebook with three cells of code, one of them blank."""

    def __init__(self) -> None:
        code: Any = new_code_cell
        self.nb = new_notebook(cells=[new_markdown_cell("x = 0"), code("x = 1"), code(" "), code("x = 2")])  # type: ignore[no-untyped-call]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> engine.Run:
    kernels.log_path(tmp_path, "one").parent.mkdir(parents=True)
    monkeypatch.setattr(engine, "PapermillNotebookClient", Client)
    return engine.Run(tmp_path, {}, threading.Event(), [], str(tmp_path), named=False)


def test_the_watch_follows_the_cells_of_code(run: engine.Run) -> None:
    watch = progress.Watch("one", cells=2)
    engine._Engine.execute_managed_notebook(Manager(), "python3", run=run, watch=watch)
    assert (watch.cell, watch.source) == (2, "x = 2")
    assert run.kernels == [watch.kernel]


def test_no_cell_starts_once_the_run_is_to_stop(run: engine.Run) -> None:
    watch = progress.Watch("one", cells=2)
    run.stop.set()
    with pytest.raises(engine.StoppedError):
        engine._Engine.execute_managed_notebook(Manager(), "python3", run=run, watch=watch)
    assert (watch.cell, watch.source) == (0, "")


def test_a_failure_names_the_cell_of_code_that_failed(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    write(book / "book/02-two.ipynb", chapter("Two", "", "x = 1", "x / 0", "x = 2"))
    pages = chapters.read_pages(book)[2:]
    with pytest.raises(PressError, match=r"^02-two failed in code cell 3 of 4:\n\n    x / 0\n\n[^$]*ZeroDivisionError"):
        execute.up_to_date(book, pages)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ([("stdout", "a"), ("stdout", "b\n")], [("stdout", "ab\n")]),
        ([("stderr", "e"), ("stdout", "a"), ("stderr", "f")], [("stdout", "a"), ("stderr", "ef")]),
        ([("stdout", "a"), ("stderr", "e"), ("stdout", "b")], [("stdout", "ab"), ("stderr", "e")]),
        ([("stdout", "10 %\r20 %\rdone\nnext\r\n")], [("stdout", "done\nnext\r\n")]),
        ([("stdout", "10 %\r"), ("stdout", "\r"), ("stdout", "\n\r")], [("stdout", "\r\n\r")]),
        ([("stdout", "x" * 30_000_000)], [("stdout", "x" * 30_000_000)]),
    ],
)
def test_prints_are_put_together_however_long(pieces: list[tuple[str, str]], whole: list[tuple[str, str]]) -> None:
    made: Any = [{"output_type": "stream", "name": name, "text": text} for name, text in pieces]
    found = engine.whole_streams(nbformat.from_dict(made))  # type: ignore[no-untyped-call]
    assert [(each.name, each.text) for each in found] == whole
