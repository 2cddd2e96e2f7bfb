"""Write, lock, empty and remove files and folders; name in one line the path that the system refused."""

import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from poly import files
from poly.press.chapters import PressError


def remove(path: Path, *, strict: bool = True) -> None:
    """Remove a file or a folder if it exists; a link is removed, but not its target.

    Args:
        path: the file, the folder or the link.
        strict: False: what cannot be removed of a folder stays, and is no error.
    """
    if path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path, ignore_errors=not strict)
        except OSError as error:  # its own path may lack the folder
            raise OSError(error.errno, error.strerror, str(path)) from None
    else:
        path.unlink(missing_ok=True)


def emptied(folder: Path) -> Path:
    """Remove whatever is at the folder's path, and return the path. A link is removed, but not its target.

    Raises:
        PressError: the folder cannot be removed.
    """
    remove(folder, strict=False)
    if folder.exists():
        raise PressError(f"{folder} cannot be removed; is it open in another program?")
    return folder


def atomic_write(path: Path, text: str) -> None:
    """Write a text completely or not at all; make its folder, and remove drafts of killed processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)
    files.atomic_write(path, text)


def what_failed(error: OSError, place: Path) -> str:
    """Name in one line the path that the system refused, or else `place`, and the reason."""
    gathered = error.args[0] if error.args else None
    if isinstance(gathered, list) and gathered:  # shutil.copytree gathers many: show the first
        _, place, why = gathered[0]
        reason = re.sub(r"^\[.*?\] |: '.*", "", str(why))  # without the error's number and paths
        return f"{place}: {reason}"
    return f"{error.filename2 or error.filename or place}: {error.strerror or error}"


def make_folder(folder: Path) -> None:
    """Make the folder and those above it.

    Raises:
        PressError: something else is at one of these paths, or the system refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        wrong = next((each for each in (folder, *folder.parents) if os.path.lexists(each) and not each.is_dir()), None)
        if wrong and wrong.is_symlink():
            raise PressError(f"{wrong}: a link to {str(wrong.readlink())!r}, where no folder is: remove it") from None
        if wrong:
            raise PressError(f"{wrong}: must be a folder, and is none: remove it") from None
        raise PressError(f"{error.filename}: cannot be made: {error.strerror}") from None


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Lock `folder` for this process; the operating system releases the lock even if the process is killed.

    Raises:
        PressError: another process holds the lock, or the system cannot lock the folder.
    """
    make_folder(folder)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise PressError(f"another build is at work in {folder}: wait for it, or stop it") from None
    except OSError as error:  # another user's folder, or a network share without locks
        raise PressError(f"cannot lock {what_failed(error, folder / 'lock')}") from None
    try:
        yield
    finally:
        lock.release()
