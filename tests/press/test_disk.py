"""Test the press when the disk fails: another file system, another owner, no locks, no space left."""

import errno
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nbformat.v4 import new_markdown_cell, new_notebook

from poly import sweep
from poly.press import __main__, build, chapters, disk
from poly.press.chapters import PressError
from small_book import contents, make_book, write

fcntl: Any = pytest.importorskip("fcntl", reason="not on Windows")


resource: Any = pytest.importorskip("resource", reason="not on Windows")


SHARED = Path("/dev/shm")  # a file system of its own wherever there is one


def failing(number: int, name: str | None = None) -> Any:
    """Make a function that raises the system's error of this number."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), name)

    return fail


def poly_metadata(book: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail, and return its one line of error."""
    capsys.readouterr()
    os.chdir(book)
    assert __main__.main(list(words)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Make a book of text alone, for which nothing is executed, with an earlier rendering."""
    book = make_book(tmp_path)
    for name in ("01-one", "02-two"):
        text = new_notebook(cells=[new_markdown_cell(f"# {name}", id="title")])  # type: ignore[no-untyped-call]
        write(book / f"book/{name}.ipynb", text)
    (book / "_build/stored/html").mkdir(parents=True)
    (book / "_build/stored/html/index.html").write_text("last book")
    return book


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path.cwd())  # and back


@pytest.mark.skipif(
    not SHARED.is_dir() or SHARED.stat().st_dev == Path("/tmp").stat().st_dev, reason="needs a second file system"
)
def test_a_build_folder_on_another_file_system_is_used_and_emptied(told: Path) -> None:
    elsewhere = SHARED / f"poly-test-{os.getpid()}"
    try:
        subprocess.run(["rm", "-rf", str(told / "_build")], check=True)
        elsewhere.mkdir()
        (told / "_build").symlink_to(elsewhere)
        build.record_chapters(told, [], dry_run=False)
        assert chapters.read_notebook(told / "book/01-one.ipynb").metadata.poly.key
        build.clean(told)
        assert list(elsewhere.iterdir()) == []
        assert (told / "_build").is_symlink()
    finally:
        subprocess.run(["rm", "-rf", str(elsewhere)], check=True)


def test_clean_removes_everything_or_says_what_it_could_not(
    told: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing(errno.EACCES, "index.html"))
        assert poly_metadata(told, capsys, "clean") == f"error: {told / '_build/stored'}: Permission denied"
    build.clean(told)
    assert not (told / "_build").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_share_without_locks_is_named(
    told: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = contents(told / "_build/stored/html")
    monkeypatch.setattr(fcntl, "flock", failing(number))
    line = poly_metadata(told, capsys, "build", "--stored")
    assert line == f"error: cannot lock {told / '_build/stored/lock'}: {os.strerror(number)}"
    assert contents(told / "_build/stored/html") == last


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_a_build_folder_that_takes_no_files_is_named_and_the_last_book_stays(
    told: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (told / "book/index.md").write_text("# Changed\n", encoding="utf-8")
    last = contents(told / "_build/stored/html")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copytree", failing(number, str(told / "_build/stored/stage/book")))
        line = poly_metadata(told, capsys, "build", "--stored")
    assert line == f"error: {told / '_build/stored/stage/book'}: {os.strerror(number)}; the last book stays"
    monkeypatch.setattr(Path, "write_text", failing(number))  # in the middle of writing no file is named
    line = poly_metadata(told, capsys, "build", "--stored")
    assert line == f"error: {told / '_build/stored'}: {os.strerror(number)}; the last book stays"
    assert contents(told / "_build/stored/html") == last


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("name", ["", "searchindex.js"])
def test_a_full_disk_under_the_renderer_is_one_line(
    told: Path, number: int, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = f"Traceback:\n  there\nOSError: {OSError(number, os.strerror(number), name or None)}\nRuntimeError: no book\n"
    failed = subprocess.CompletedProcess([], 1, log)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    where = name or told / "_build/stored/render"
    assert poly_metadata(told, capsys, "build", "--stored") == f"error: {where}: {os.strerror(number)}"


def test_a_disk_that_takes_no_more_is_one_line_and_the_last_book_stays(told: Path) -> None:
    last = contents(told / "_build/stored/html")
    (told / "book/large.bin").write_bytes(bytes(1_000_000))
    done = subprocess.run(
        [sys.executable, "-m", "poly.press", "build", "--stored"],
        cwd=told,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000)),
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == f"error: {told / '_build/stored/stage/book/large.bin'}: File too large; the last book stays"
    assert contents(told / "_build/stored/html") == last


def test_what_a_killed_process_left_is_removed_by_the_next_write(tmp_path: Path) -> None:
    path, left = tmp_path / "a[1].txt", tmp_path / f"a[1].txt.{'0' * 32}.tmp"
    left.write_text("half")
    disk.atomic_write(path, "whole")
    assert [each.name for each in tmp_path.iterdir()] == ["a[1].txt"]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_is_removed_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    for _ in range(2):  # what is not there needs no removal
        disk.remove(tmp_path / "link")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_what_cannot_be_removed_is_an_error_unless_it_may_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", failing(errno.EACCES, "file"))
        disk.remove(folder, strict=False)
        assert (folder / "file").exists()
        with pytest.raises(OSError, match=str(folder)):
            disk.remove(folder)
        with pytest.raises(PressError, match=f"^{folder} cannot be removed; is it open in another program.$"):
            disk.emptied(folder)
    disk.remove(folder)
    assert not folder.exists()


def draw(*, n: int, generator: torch.Generator) -> float:
    return float(torch.rand(n, generator=generator).sum())


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSPC])
def test_a_sweep_says_where_the_system_refused_it(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name = (fcntl, "flock") if number == errno.ENOLCK else (np, "savez")
    monkeypatch.setattr(module, name, failing(number))
    with ThreadPoolExecutor(1) as executor, pytest.raises(sweep.CellError) as caught:
        sweep.sweep(draw, {"n": [2]}, seeds=1, executor=executor, store=tmp_path)
    assert os.strerror(number) in str(caught.value)
    assert f"'{tmp_path}/" in str(caught.value)
