"""Decide which files of `book/` are staged, skipped or refused, before anything is read or written."""

import fnmatch
import re
import unicodedata
from pathlib import Path

# Hidden files and an editor's own files are no part of the book. Chapters are staged one by one, with their outputs.
PASSED_OVER = (".*", "*~", "#*#", "__pycache__", "*.pyc", "*.tmp")
# A part of a path that means the same on every system: no backslash, drive or wildcard, no blank at either end.
_PART = re.compile(r'(?! )[^\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]+(?<![ .])')


def page_fault(docname: str) -> str:
    """Say why a page of this name is refused; return an empty text if it is accepted."""
    parts = docname.split("/")
    fits = all(_PART.fullmatch(part) and not _passed_over(part) for part in parts)
    if fits and len(parts) > 1 and parts[0] == "book":
        return ""
    return "must be a path below book/ like book/03-race, with '/' alone, and no '..', hidden folder or drive"


def same_file(docname: str) -> str:
    """Normalize a page's name: some systems ignore case, or store accents in another form of Unicode."""
    return unicodedata.normalize("NFC", docname).casefold()


def book_faults(root: Path) -> list[str]:
    """List what in `book/` cannot be staged: links that lead outside, to nothing or in a circle, and special files.

    Settings of matplotlib in this folder would change every figure.

    Files are copied to be staged, and links are followed. A link that leads outside would publish a private file.
    """
    home = root.resolve()
    found = _faults(home / "book", home, (home,))
    if (home / "book" / "matplotlibrc").exists():  # kernels run in this folder
        found.append("book/matplotlibrc: matplotlib would read it, before all other settings: remove it")
    return found


def _faults(path: Path, home: Path, above: tuple[Path, ...]) -> list[str]:
    """List the faults of a file, or of a folder and all that it holds; `above` are the folders that hold it."""
    shown = path.relative_to(home).as_posix()
    if not path.name.isprintable():  # an invalid byte of UTF-8 is not printable either
        return [f"{shown!a}: its name must be printable UTF-8"]
    leads = f"{shown}: a link to {str(path.readlink())!r}" if path.is_symlink() else shown
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a circle raises one or the other, depending on Python's version
        return [f"{leads}, which leads to no file: remove it"]
    if not real.is_relative_to(home) or real.is_relative_to(home / "_build"):
        return [f"{leads}, must lead to a file of the book"]
    if real in above:
        return [f"{leads}, a folder that holds this link: remove it"]
    if real.is_dir():
        inside = sorted(each for each in path.iterdir() if not _passed_over(each.name))
        return [fault for each in inside for fault in _faults(each, home, (*above, real))]
    return [] if real.is_file() else [f"{leads}, must be a file or a folder"]


def _passed_over(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in PASSED_OVER)
