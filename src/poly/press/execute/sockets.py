"""Make the folder of the kernels' sockets and connection files: private, and outside the checkout.

In some checkouts every file belongs to everybody, as on Windows' disks below WSL and on network shares. The folder for
temporary files may be such a place. Its path may also be too long for a socket's name.
"""

import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
from jupyter_core.paths import secure_write

from poly.press.chapters import PressError

PREFIX = "poly-sockets-"
# Other folders that may hold temporary files.
PLACES = ("/tmp", "/var/tmp", "/dev/shm") if os.name == "posix" else ()


@contextlib.contextmanager
def folder(root: Path) -> Iterator[str]:
    """Make a folder for the kernels of this process, and remove it in the end; a note in `_build` names it meanwhile.

    It is the first one that can hold sockets, or one that cannot if no place allows them.

    Raises:
        PressError: no place allows a folder that others cannot read.
    """
    places = [place for place in dict.fromkeys([*_chosen(), *PLACES]) if _is_text(place)]
    with contextlib.ExitStack() as made:
        private = []
        for place in places:
            with contextlib.suppress(OSError):
                temporary = tempfile.TemporaryDirectory(prefix=PREFIX, dir=place, ignore_cleanup_errors=True)
                path = made.enter_context(temporary)
                if _is_private(path):
                    private.append(path)
                    if holds_sockets(path):
                        break
        if not private:
            raise PressError(f"no private folder can be made in {', '.join(places)}: set TMPDIR to one where it can")
        found = private[-1] if holds_sockets(private[-1]) else private[0]
        note = root / "_build" / "jupyter" / f"sockets-{os.getpid()}"
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(found, encoding="utf-8", errors="surrogateescape")
        made.callback(note.unlink, missing_ok=True)
        yield found


def holds_sockets(folder: str) -> bool:
    """Tell whether a socket can have a name in this folder, of eight letters and a number."""
    if os.name != "posix":
        return False
    probe = Path(folder) / "12345678-90"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as own:
        own.bind(str(probe))
        probe.unlink()
        return True
    return False


def remove_leftovers(root: Path) -> None:
    """Remove the folders that killed builds left."""
    for note in (root / "_build" / "jupyter").glob("sockets-*"):
        with contextlib.suppress(OSError, ValueError):
            if psutil.pid_exists(int(note.name.partition("-")[2])):
                continue
            left = Path(note.read_text(encoding="utf-8", errors="surrogateescape"))
            if left.name.startswith(PREFIX):
                shutil.rmtree(left, ignore_errors=True)
            note.unlink()


def _chosen() -> list[str]:
    """Find the reader's folder for temporary files, if one is writable."""
    with contextlib.suppress(OSError):
        return [tempfile.gettempdir()]
    return []


def _is_text(folder: str) -> bool:
    """Tell whether a folder's name can be sent to a kernel: in a locale without UTF-8 it may hold bytes."""
    try:
        folder.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_private(folder: str) -> bool:
    """Tell whether Jupyter would write a connection file here."""
    probe = Path(folder) / "probe"
    try:
        with secure_write(str(probe)):
            pass
        probe.unlink()
    except (OSError, RuntimeError):
        return False
    return True
