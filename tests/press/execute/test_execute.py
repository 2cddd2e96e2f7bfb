"""Chapters in kernels of their own: what they print, and how they fail."""

from pathlib import Path

import pytest

from poly.press import chapters, execute
from poly.press.chapters import PressError
from poly.press.execute import progress
from small_book import chapter, make_book, write


def test_a_kernel_that_dies_at_its_start_names_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_book(tmp_path)
    (book / "src/ipykernel_launcher.py").write_text("raise SystemExit('no home here')")
    page = chapters.find_chapters(chapters.read_pages(book), ["1"])
    with pytest.raises(PressError, match=r"01-one: its kernel did not start: Kernel died") as caught:
        execute.up_to_date(book, page)
    log = Path(str(caught.value).rpartition(" is in ")[2])
    assert "no home here" in log.read_text()


def test_a_chapter_that_prints_without_end_is_refused_when_it_has_run(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    write(book / "book/02-two.ipynb", chapter("Two", "print('x' * 2_000_000)"))
    pages = chapters.read_pages(book)[2:]
    line = r"^02-two: an output of the cell that begins \"print.*\" holds 2,000,001 characters, at most 1,000,000 are"
    with pytest.raises(PressError, match=line):
        execute.up_to_date(book, pages)
    assert not execute.executed_path(book, pages[0]).exists()


def test_an_error_without_end_is_cut(tmp_path: Path) -> None:
    watch = progress.Watch("01-one", cells=1, cell=1, source="fail()")
    shown = execute._failure(watch, "Traceback\n" + "x" * 30_000_000 + "\nValueError: y")
    assert len(shown) < 3000
    assert shown.endswith("…\nValueError: y")


def test_the_chapter_that_takes_longest_starts_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_book(tmp_path)
    jobs = []
    for page, seconds in zip(chapters.find_chapters(chapters.read_pages(book), []), (None, 3.0, 20.0), strict=False):
        notebook = chapters.read_notebook(page.path)
        if seconds:
            notebook.metadata["poly"] = {"provenance": {"seconds": seconds}}
        jobs.append(execute.Job(page, notebook, tmp_path / f"{page.name}.ipynb", "key"))
    started: list[execute.Job] = []
    monkeypatch.setattr(execute, "_execute_and_store", lambda job, *_: started.append(job))
    execute.execute(book, jobs, workers=1)
    assert started == jobs[::-1]
    assert len(jobs) > 1
