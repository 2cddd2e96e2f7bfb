from pathlib import Path

import pytest

from poly.press import build, chapters, check, record
from poly.press.chapters import PressError
from small_book import FIGURE, RATE, chapter, edit, write

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
    said = "book/data/runs/kept-a.npz: stale: it is gone, and provenance.json has it"
    assert capsys.readouterr().out.strip() == f"{said} — `make audit` computes some of it again"
