"""Show how far chapters are: live bars in a terminal, now and then a plain line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

# Without a terminal, a running chapter says where it is at most this often, in seconds.
PLAIN_INTERVAL = 20.0


@dataclass
class Watch:
    """The progress of one chapter: the executing thread writes it, the display reads it."""

    name: str
    cells: int
    cell: int = 0  # the running code cell, from 1
    source: str = ""  # its source
    started: float | None = None
    ended: float | None = None
    kernel: Any = None  # its manager
    memory: int = 0  # the most that the kernel has held, in bytes
    told: float = field(default=0.0, repr=False)  # when a plain line was last printed

    def on_cell_start(self, cell: NotebookNode, cell_index: int) -> None:
        """Note which code cell runs now. nbclient calls this before each cell, also before those that hold no code."""
        if cell.cell_type == "code" and cell.source.strip():
            self.cell, self.source = self.cell + 1, cell.source

    def seconds(self) -> float:
        """Measure how long the chapter has run, or ran."""
        if self.started is None:
            return 0.0
        return (self.ended or time.monotonic()) - self.started


def duration(seconds: float) -> str:
    """Write seconds for people: '4.2 s', '3 min 20 s', '10 h 05 min'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def console(*, stderr: bool = False) -> Console:
    """Make a console. A file is no terminal, whatever FORCE_COLOR says: it would hold every state of a bar."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, force_terminal=None if stream.isatty() else False)


@contextmanager
def display(watches: Sequence[Watch]) -> Iterator[Callable[[], None]]:
    """Show the watches; the caller calls the yielded function a few times a second."""
    shown = console()
    if shown.is_terminal:
        with _bars(watches, shown) as tick:
            yield tick
    else:
        yield lambda: _plain(watches)


@contextmanager
def _bars(watches: Sequence[Watch], console: Console) -> Iterator[Callable[[], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("cell {task.fields[cell]:>2}/{task.total:.0f}"),
        TextColumn("{task.fields[elapsed]:>12}"),
    )
    with Progress(*columns, console=console) as bars:
        tasks = [bars.add_task(watch.name, total=watch.cells, cell=0, elapsed="waiting") for watch in watches]

        def tick() -> None:
            for watch, task in zip(watches, tasks, strict=True):
                if watch.started is not None:
                    finished = watch.cells if watch.ended else max(0, watch.cell - 1)
                    bars.update(task, completed=finished, cell=watch.cell, elapsed=duration(watch.seconds()))

        yield tick
        tick()


def _plain(watches: Sequence[Watch]) -> None:
    now = time.monotonic()
    for watch in watches:
        if watch.started is None or watch.told == float("inf"):
            continue
        if not watch.told:
            watch.told = now
            print(f"{watch.name}: started, {watch.cells} cells", flush=True)
        if watch.ended:
            watch.told = float("inf")
            print(f"{watch.name}: finished after {duration(watch.seconds())}", flush=True)
        elif now - watch.told >= PLAIN_INTERVAL:
            watch.told = now
            print(f"{watch.name}: cell {watch.cell}/{watch.cells} after {duration(watch.seconds())}", flush=True)
