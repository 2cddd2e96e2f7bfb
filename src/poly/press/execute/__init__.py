"""Execute chapters with papermill, several at a time, one kernel each, and store those that are finished."""

import logging
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import papermill
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from zmq import ZMQError

from poly.press import reader_settings
from poly.press.chapters import Page, PressError, check_outputs, code_cells, notebook_text, read_notebook, with_outputs
from poly.press.disk import atomic_write, make_folder, what_failed
from poly.press.execute import engine, kernels, machine, progress, provenance, sockets
from poly.press.execute.cache_key import chapter_key, inputs, key_of

PYTHON = ".".join(platform.python_version_tuple()[:2])
# The environment variable for the folder where sweeps store results. poly.sweep has it too, but takes long to import.
STORE = "POLY_STORE"
# Kept runs that are equal to the last digit when they are recomputed: `verify` recomputes them.
EXACT_RECOMPUTED = {"POLY_RECOMPUTE": "flow-runs"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
LONGEST = 2000  # the most lines, and characters of a line, that a terminal shows of an error
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Job(NamedTuple):
    """A chapter to execute.

    Attributes:
        page: the chapter.
        notebook: its source.
        target: the file of its executed copy.
        key: the key to stamp on that copy.
        parameters: values for its parameters cell.
        variables: environment variables for its kernel, besides those of `environment`.
        label: what tells it from another job with the same chapter.
    """

    page: Page
    notebook: NotebookNode
    target: Path
    key: str
    parameters: Mapping[str, Any] = {}
    variables: Mapping[str, str] = {}
    label: str = ""


class Result(NamedTuple):
    """A chapter with its outputs.

    Attributes:
        page: the chapter.
        notebook: its source with the outputs.
        key: the key of all that the outputs depend on.
        seconds: how long the chapter ran.
        cached: whether the outputs are from an earlier build.
    """

    page: Page
    notebook: NotebookNode
    key: str
    seconds: float
    cached: bool


def environment(root: Path, workers: int) -> dict[str, str]:
    """Choose a kernel's environment variables.

    Kernels that run side by side share cores and memory. They import `poly` from this root, and read none of the
    reader's own settings.

    Raises:
        PressError: a root that no variable can name.
    """
    if os.pathsep in str(root):
        raise PressError(f"{root}: its name holds {os.pathsep!r}, which separates folders in PYTHONPATH: move the book")
    cores = machine.cores()
    threads = dict.fromkeys(THREAD_VARIABLES, str(max(1, cores // workers)))
    processes = machine.fitting(cores, machine.PROCESS, machine.memory() / workers - machine.PROCESS)
    variables = {**threads, "LOKY_MAX_CPU_COUNT": str(processes), **os.environ}
    reader_settings.forget_matplotlib(variables)  # the kernel chooses its inline backend
    for name in ("PYTHONSTARTUP", *reader_settings.FOREIGN):  # the kernel would run that file
        variables.pop(name, None)
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root / "src"), os.environ.get("PYTHONPATH", "")]))
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        variables[name] = str(root / "_build" / "jupyter" / name.removesuffix("DIR").strip("_").lower())
    variables[STORE] = str(root / "_build" / "sweeps")
    return variables


def executed_path(root: Path, page: Page) -> Path:
    """Name the file that holds a chapter's executed copy between builds."""
    return root / "_build" / "executed" / f"{page.name}.ipynb"


def up_to_date(root: Path, pages: Sequence[Page], workers: int | None = None) -> list[Result]:
    """Return every chapter with its outputs; execute those whose key has changed."""
    sources = {page: read_notebook(page.path) for page in pages}
    found = {page: inputs(root, source) for page, source in sources.items()}
    keys = {page: key_of(found[page]) for page in pages}
    targets = {page: executed_path(root, page) for page in pages}
    jobs = [
        Job(page, sources[page], targets[page], keys[page])
        for page in pages
        if stamp_of(targets[page]) != (keys[page], PYTHON)
    ]
    execute(root, jobs, workers)
    todo = {job.page for job in jobs}
    results = []
    for page in pages:
        done = read_notebook(targets[page])
        seconds = float(done.metadata.get("papermill", {}).get("duration") or 0.0)
        merged = with_outputs(sources[page], done)
        of_run = {"key": keys[page], "inputs": found[page], "provenance": provenance.stamp(done)}
        merged.metadata["poly"] = {**merged.metadata.get("poly", {}), **of_run}
        results.append(Result(page, merged, keys[page], seconds, page not in todo))
    return results


def stamp_of(path: Path) -> tuple[str, str] | None:
    """Read the key and the Python version stamped on an executed notebook; None where there is no usable one."""
    try:
        stamp = read_notebook(path).metadata.get("poly", {})
    except (OSError, PressError):
        return None
    return stamp.get("key", ""), stamp.get("python", "")


def execute(root: Path, jobs: Sequence[Job], workers: int | None = None) -> None:
    """Execute the jobs side by side, and store each chapter that is finished.

    The first chapter that fails stops the others.

    Args:
        root: the folder of the book.
        jobs: the chapters to execute.
        workers: how many run at a time; None: as many as cores and memory allow.

    Raises:
        PressError: a chapter failed, or its kernel died or did not start.
    """
    if not jobs:
        return
    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # the press reports its errors
    _remove_leftovers(root)
    for folder in {root / "_build" / "jupyter", *(job.target.parent for job in jobs)}:
        make_folder(folder)  # a folder that cannot be made is reported before minutes of work
    # The longest first: a long one that starts last leaves all cores but one idle.
    jobs = sorted(jobs, key=lambda job: provenance.run_seconds(job.notebook), reverse=True)
    workers = min(workers or machine.fitting(machine.cores(), machine.KERNEL), len(jobs))
    shared = environment(root, workers)
    # papermill injects given parameters as a cell of their own.
    cells = [len(code_cells(job.notebook)) + bool(job.parameters) for job in jobs]
    names = [f"{job.page.name}, {job.label}" if job.label else job.page.name for job in jobs]
    watches = [progress.Watch(name, count) for name, count in zip(names, cells, strict=True)]
    with sockets.folder(root) as private, ThreadPoolExecutor(workers) as pool, progress.display(watches) as tick:
        run = engine.Run(root, shared, threading.Event(), [], private, sockets.holds_sockets(private))
        running: set[Future[None]] = {
            pool.submit(_execute_and_store, job, watch, run) for job, watch in zip(jobs, watches, strict=True)
        }
        try:
            while running:
                done, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)
                tick()
                for watch in watches:
                    watch.memory = max(watch.memory, kernels.memory(watch.kernel))
                for future in done:
                    future.result()
        except BaseException:
            run.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            kernels.kill(run.kernels)
            raise


def _execute_and_store(job: Job, watch: progress.Watch, run: engine.Run) -> None:
    watch.started = time.monotonic()
    done = _executed(job, watch, run)
    check_outputs(watch.name, done)
    # A source that changed while the chapter ran must not pass for executed.
    unchanged = chapter_key(run.root, read_notebook(job.page.path), job.parameters) == job.key
    del done.metadata["papermill"]["input_path"]  # papermill stores the whole source there
    stamp = provenance.run(run.root, done, seconds=watch.seconds(), memory=watch.memory)
    key = job.key if unchanged else "changed while it ran"
    done.metadata["poly"] = {"key": key, "python": PYTHON, "provenance": stamp}
    atomic_write(job.target, notebook_text(done))
    watch.ended = time.monotonic()


def _executed(job: Job, watch: progress.Watch, run: engine.Run) -> NotebookNode:
    """Execute a chapter; a failure becomes a PressError that names the chapter, and the cell or the kernel's log."""
    log = kernels.log_path(run.root, watch.name)
    try:
        done: NotebookNode = papermill.execute_notebook(
            job.notebook,
            None,
            parameters=dict(job.parameters),
            engine_name=engine.NAME,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            run=run._replace(environment={**run.environment, **job.variables}),
            watch=watch,
        )
    except PapermillExecutionError as error:
        text = "\n".join(error.traceback) or f"{error.ename}: {error.evalue}"
        raise PressError(_failure(watch, text)) from None
    except DeadKernelError:
        text = f"Its kernel died: killed, or out of memory. What it said last is in {log}"
        raise PressError(_failure(watch, text)) from None
    except (RuntimeError, ZMQError) as error:
        if watch.kernel is not None:
            watch.kernel.context.destroy(linger=0)  # a socket that stays open keeps this process from ending
        raise PressError(f"{watch.name}: its kernel did not start: {error}; what it said is in {log}") from None
    except OSError as error:
        place = what_failed(error, run.root / "_build" / "jupyter")
        raise PressError(f"{watch.name}: its kernel did not start: {place}") from None
    return done


def _failure(watch: progress.Watch, text: str) -> str:
    """Name the cell that failed, with its source and its error; very long lines are cut."""
    if not sys.stderr.isatty():
        text = ANSI.sub("", text)
    text = "\n".join(line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in text.splitlines()[-LONGEST:])
    indented = "\n".join(f"    {line}" for line in watch.source.splitlines())
    return f"{watch.name} failed in code cell {watch.cell} of {watch.cells}:\n\n{indented}\n\n{text}"


def _remove_leftovers(root: Path) -> None:
    """Remove what a killed build left: half-written copies, the sockets and connection files of its kernels."""
    sockets.remove_leftovers(root)
    for path in (root / "_build").glob("executed/**/*.tmp"):
        path.unlink(missing_ok=True)
