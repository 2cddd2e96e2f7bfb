from pathlib import Path

import pytest

from poly.press import chapters
from poly.press.check import stored_outputs
from small_book import FIGURE, RATE, chapter, write


@pytest.mark.parametrize(
    ("counts", "fault"),
    [([2, 1, 3], "not executed once each, in order"), ([1, 2, None], "not executed once each"), ([1, 2, 3], "stale")],
)
def test_unfit_stored_outputs_are_named(book: Path, counts: list[int | None], fault: str) -> None:
    notebook = chapter("One", FIGURE, RATE)
    for cell, count in zip(notebook.cells[1:], counts, strict=True):
        cell.execution_count = count
    write(book / "book/01-one.ipynb", notebook)
    found = stored_outputs.faults(book, chapters.read_pages(book)[1:2])
    assert len(found) == 1
    assert found[0].startswith("01-one: ")
    assert fault in found[0]


def test_stale_kept_runs_are_named(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stored_outputs, "_found", lambda *_: ([], []))
    assert stored_outputs.check(book)
    (book / "book/data/runs").mkdir()
    (book / "book/data/runs/provenance.json").write_text('{"kept-a.npz": {"code": "1"}}')
    assert not stored_outputs.check(book)
    said = "book/data/runs/kept-a.npz: stale: it is gone, and provenance.json has it"
    assert capsys.readouterr().out.strip() == f"{said} — `make audit` computes some of it again"


def test_only_what_new_outputs_mend_is_said_to_be_refreshed(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ["claim C9: tolerance=0.1, must be 0.05", "01-one: its stored outputs are stale: the code"]
    monkeypatch.setattr(stored_outputs, "_found", lambda *_: (found[:1], found[1:]))
    assert not stored_outputs.check(book)
    assert capsys.readouterr().out.splitlines() == [found[0], f"{found[1]} — `make record` refreshes it"]
