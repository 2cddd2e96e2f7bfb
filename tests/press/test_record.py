from pathlib import Path

import pytest

from poly.press import build, chapters
from poly.press.chapters import PressError
from poly.press.check import stored_outputs
from small_book import edit


def test_record_shows_what_changes_stores_it_and_then_finds_nothing_new(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = built / "book/02-two.ipynb"
    source = chapters.read_notebook(path)
    pages = chapters.find_chapters(chapters.read_pages(built), [])
    assert [fault.partition(": ")[2] for fault in stored_outputs.faults(built, pages)] == ["no stored outputs"] * 2
    with pytest.raises(PressError, match="01-one has no stored outputs"):
        build.build_stored(built)
    build.record_chapters(built, [], dry_run=True)
    assert chapters.read_notebook(path) == source
    build.record_chapters(built, [], dry_run=False)
    assert stored_outputs.faults(built, pages) == []
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
    assert stored_outputs.faults(built, pages)[0].startswith("02-two: its stored outputs are stale")
    build.record_chapters(built, [], dry_run=False)
    shown = capsys.readouterr().out
    assert "-  6 1,2" in shown
    assert "+  6 8,9" in shown
    assert "01-one: nothing changed" in shown
    assert "6 8,9" in path.read_text(encoding="utf-8")
