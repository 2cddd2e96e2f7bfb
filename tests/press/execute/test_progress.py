import time

import nbformat
import pytest
from rich.console import Console

from poly.press.execute import progress


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


def test_a_watch_counts_cells_of_code() -> None:
    watch = progress.Watch("01-one", cells=2)
    seen = []
    for index, (kind, source) in enumerate(
        [("markdown", "x"), ("code", "a"), ("code", " \n"), ("raw", "x"), ("code", "b")]
    ):
        watch.on_cell_start(nbformat.from_dict({"cell_type": kind, "source": source}), index)  # type: ignore[no-untyped-call]
        seen.append((watch.cell, watch.source))
    assert seen == [(0, ""), (1, "a"), (1, "a"), (1, "a"), (2, "b")]
