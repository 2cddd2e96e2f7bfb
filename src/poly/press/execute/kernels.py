"""Make kernels of this interpreter, measure the memory that they hold, and end them."""

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager


def kernel_manager(sockets: str, *, named: bool) -> AsyncKernelManager:
    """Make the manager of one kernel, which is not started yet.

    Without folders to search, the one kernel that Jupyter finds is that of this interpreter.

    Args:
        sockets: the folder of the kernel's sockets and of its connection file.
        named: whether that folder can hold sockets.
    """
    name = f"{sockets}/{uuid4().hex[:8]}"
    specs = KernelSpecManager(kernel_dirs=[])
    kernel = AsyncKernelManager(
        kernel_name="python3", kernel_spec_manager=specs, connection_file=f"{name}.json", shutdown_wait_time=2.0
    )
    if named:
        # A port is found free before the kernel binds it, so two kernels that start at once may be given the same one.
        # A socket with a name of its own belongs to one kernel only.
        kernel.transport, kernel.ip = "ipc", name
    return kernel


def log_path(root: Path, chapter: str) -> Path:
    """Name the file for the output of a chapter's kernel process itself, such as a crash in C."""
    return root / "_build" / "jupyter" / f"{chapter.replace('/', '-')}.log"


def memory(kernel: AsyncKernelManager | None) -> int:
    """Measure what a kernel and the processes that it has started hold now, in bytes; 0 where there is none."""
    process = getattr(getattr(kernel, "provisioner", None), "process", None)
    if process is None:
        return 0
    held = 0
    with contextlib.suppress(psutil.Error):
        own = psutil.Process(process.pid)
        for each in [own, *own.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                held += each.memory_info().rss
    return held


def kill(kernels: Sequence[AsyncKernelManager]) -> None:
    """End the kernels at once, with the processes that they started."""
    for kernel in kernels:
        process = getattr(kernel.provisioner, "process", None)
        if process is None or process.poll() is not None:
            continue
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)  # each kernel leads a group of its own
            else:
                process.kill()
