"""Execute a notebook's cells: papermill's engine with nbclient's callbacks, in a kernel of this interpreter."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from poly.press.chapters import code_cells
from poly.press.execute import kernels, progress

NAME = "poly-press"


class Run(NamedTuple):
    """The state shared by the threads that execute chapters.

    Attributes:
        root: the folder of the book.
        environment: the kernels' variables.
        stop: set when no further cell may start.
        kernels: the managers of all kernels so far.
        sockets: the folder of the kernels' sockets and connection files.
        named: whether that folder can hold sockets. It is tested once, as two threads that test at once interfere.
    """

    root: Path
    environment: dict[str, str]
    stop: threading.Event
    kernels: list[AsyncKernelManager]
    sockets: str
    named: bool


class StoppedError(Exception):
    """An error that stops a chapter because another failed, or because the reader pressed Ctrl-C."""


class _Engine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """Execute a chapter as papermill does, and tell the watch when each cell starts."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, run: Run, watch: progress.Watch, **_: Any
    ) -> None:
        def on_cell_start(cell: NotebookNode, cell_index: int) -> None:
            if run.stop.is_set():
                raise StoppedError
            watch.on_cell_start(cell, cell_index)

        watch.kernel = kernels.kernel_manager(run.sockets, named=run.named)
        run.kernels.append(watch.kernel)
        client = PapermillNotebookClient(
            nb_man, km=watch.kernel, timeout=None, kernel_name=kernel_name, on_cell_start=on_cell_start
        )
        # The output of the kernel's process itself must not mix with the progress lines.
        with kernels.log_path(run.root, watch.name).open("wb") as log:
            client.execute(cwd=str(run.root / "book"), env=run.environment, stdout=log, stderr=log, cleanup_kc=True)
        for cell in code_cells(nb_man.nb):
            cell.outputs = whole_streams(cell.outputs)


papermill_engines.register(NAME, _Engine)


def whole_streams(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Join the pieces of each stream, and put stdout before stderr next to it: pieces and order depend on timing.

    Text that a carriage return overwrites is left out. nbclient does the same, but its time grows with the square of a
    line's length.
    """
    streams: dict[str, NotebookNode] = {}
    merged = []
    for output in outputs:
        if output.output_type != "stream" or output.name not in streams:
            merged.append(output)
        if output.output_type == "stream":
            if output.name in streams:
                streams[output.name].text += output.text
            streams.setdefault(output.name, output)
    for output in streams.values():
        lines = output.text.split("\n")
        output.text = "\n".join(line[line.rfind("\r", 0, max(len(line) - 1, 0)) + 1 :] for line in lines)
    names = [output.get("name") for output in merged]
    for place in range(len(merged) - 1):
        if names[place : place + 2] == ["stderr", "stdout"]:
            merged[place : place + 2] = merged[place + 1], merged[place]
            break
    return merged
