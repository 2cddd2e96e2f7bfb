"""The files in `book/`: which of them are staged, and which are refused, before anything is read or written."""

import fnmatch
import re
import unicodedata
from pathlib import Path

# Hidden files and an editor's own are no part of the book; chapters are staged one by one, with their outputs.
PASSED_OVER = (".*", "*~", "#*#", "__pycache__", "*.pyc", "*.tmp")
# A part of a path that means the same on every system: no backslash, drive or wildcard, no blank at either end.
_PART = re.compile(r'(?! )[^\\/:*?"<>|\x00-\x1f\x7f\ud800-\udfff]+(?<![ .])')


def page_fault(docname: str) -> str:
    """Say why a page of this name is refused; an empty text where it is not."""
    parts = docname.split("/")
    fits = all(_PART.fullmatch(part) and not _passed_over(part) for part in parts)
    if fits and len(parts) > 1 and parts[0] == "book":
        return ""
    return "must be a path below book/ like book/03-race, with '/' alone, and no '..', hidden folder or drive"


def same_file(docname: str) -> str:
    """Return the name by which systems that ignore case, or spell accents in another way, find the page."""
    return unicodedata.normalize("NFC", docname).casefold()


def book_faults(root: Path) -> list[str]:
    """Say what in `book/` cannot be staged: links that lead outside, to nothing or in a circle; what is no file.

    The stage is a copy, for which links are followed: one that leads outside would publish a file of the reader's.
    """
    home = root.resolve()
    return _faults(home / "book", home, (home,))


def _faults(path: Path, home: Path, above: tuple[Path, ...]) -> list[str]:
    """Look at one file, or at a folder with all that it holds; `above` are the folders that hold it."""
    shown = path.relative_to(home).as_posix()
    if not path.name.isprintable():  # half a character of UTF-8 is not printable either
        return [f"{shown!a}: its name must be printable UTF-8"]
    leads = f"{shown}: a link to {str(path.readlink())!r}" if path.is_symlink() else shown
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # which of the two a circle is depends on Python's version
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
