"""Test that kernels listen in a private folder, wherever the checkout and temporary files are."""

import os
import re
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_core import paths
from nbformat.v4 import new_code_cell, new_notebook

from poly.press import chapters, execute
from poly.press.chapters import PressError
from poly.press.execute import kernels, sockets
from small_book import chapter, make_book, write

WHERE = """
import json
from ipykernel import get_connection_file
with open(get_connection_file(), encoding="utf-8") as file:
    found = json.load(file)
print("listens by", found["transport"], "at", found["ip"], "as said in", file.name)
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Make a book of one chapter, which prints where its kernel listens."""
    root = tmp_path / "a book"
    (root / "src/poly").mkdir(parents=True)
    (root / "src/poly/__init__.py").touch()
    (root / "book").mkdir()
    notebook = new_notebook(cells=[new_code_cell(WHERE)])  # type: ignore[no-untyped-call]
    nbformat.write(notebook, root / "book/one.ipynb")  # type: ignore[no-untyped-call]
    return root


def heard(book: Path) -> tuple[str, str, str]:
    """Execute the chapter; return its kernel's transport, address, and folder of the connection file."""
    (done,) = execute.up_to_date(book, [chapters.Page("book/one", book / "book/one.ipynb")])
    found = re.search(r"listens by (\S+) at (\S+) as said in (\S+)\\n", chapters.notebook_text(done.notebook))
    assert found is not None
    return found[1], found[2], str(Path(found[3]).parent)


def open_below(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every file below these folders seem readable by everybody, as on disks without owners."""
    mode = paths.get_file_mode

    def seen(name: str) -> int:
        return 0o777 if any(Path(name).is_relative_to(folder) for folder in folders) else mode(name)

    monkeypatch.setattr(paths, "get_file_mode", seen)


def test_the_checkout_may_lie_on_a_disk_without_owners(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    open_below([str(book)], monkeypatch)
    transport, _, folder = heard(book)
    assert transport == ("ipc" if sockets.PLACES else "tcp")
    assert not Path(folder).exists()


@pytest.mark.skipif(not sockets.PLACES, reason="a system without sockets that have names")
def test_temporary_files_may_lie_on_a_disk_without_owners(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    open_below([str(tmp_path)], monkeypatch)
    with sockets.folder(book) as private:
        assert Path(private).parent in map(Path, sockets.PLACES)
    open_below(["/"], monkeypatch)
    with pytest.raises(PressError, match=r"^no private folder can be made in .*: set TMPDIR to one where it can$"):
        heard(book)
    assert not list(tmp_path.glob(f"{sockets.PREFIX}*"))


@pytest.mark.skipif(not sockets.PLACES, reason="a system without sockets that have names")
@pytest.mark.parametrize("length", [75, 90, 150])
def test_the_path_of_temporary_files_may_be_long(
    length: int, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * max(1, length - len(str(tmp_path)) - 1))
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with sockets.folder(book) as private:
        assert sockets.holds_sockets(private)
    monkeypatch.setattr(sockets, "PLACES", ())
    if length == 150:
        transport, address, folder = heard(book)
        assert (transport, address) == ("tcp", "127.0.0.1")
        assert Path(folder).parent == deep
    assert not list(deep.iterdir())


@pytest.mark.skipif(not sockets.PLACES, reason="a system without sockets that have names")
def test_a_socket_that_cannot_be_opened_is_one_line(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    monkeypatch.setattr(sockets, "holds_sockets", lambda _: True)
    made = []
    make = kernels.kernel_manager

    def noted(folder: str, *, named: bool) -> Any:
        made.append(make(folder, named=named))
        return made[0]

    monkeypatch.setattr(kernels, "kernel_manager", noted)
    with pytest.raises(PressError, match=r"^one: its kernel did not start: .*File name too long") as caught:
        heard(book)
    assert "\n" not in str(caught.value)
    assert made[0].context.closed  # an open socket would keep the process from ending


@pytest.mark.skipif(os.name != "posix", reason="sockets with names")
def test_kernels_listen_where_no_other_process_can_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = make_book(tmp_path)
    alone, asked = sockets.holds_sockets, threading.Lock()

    def holds_sockets(folder: str) -> bool:
        """Check the folder; return False if another thread checks it at the same time."""
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


@pytest.mark.skipif(not sockets.PLACES, reason="a system without sockets that have names")
def test_a_folder_whose_name_is_no_text_is_not_taken(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name the folder for temporary files as Python does in a locale without UTF-8."""
    (tmp_path / "\udcfc").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "\udcfc"))
    with sockets.folder(book) as private:
        assert Path(private).parent in map(Path, sockets.PLACES)
