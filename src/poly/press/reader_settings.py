"""Undo settings of the reader that would end a command or change outputs: warnings, colors, matplotlib, no home."""

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import MutableMapping
from pathlib import Path

# Variables that the book's processes do not see: outputs would hold colors, a package's warning would end them, and
# pictures would be left out.
FOREIGN = (
    "POLY_DRAW",
    *("PYTHONWARNINGS", "PYTHON_COLORS", "PY_COLORS"),
    *("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
)


def make_streams_safe() -> None:
    """Make output safe: a console may not know every character, and a program without a terminal may have no stream."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123  # for the whole run
        getattr(sys, name).reconfigure(errors="replace")


def forget_matplotlib(variables: MutableMapping[str, str]) -> None:
    """Remove the reader's own settings of matplotlib from a process's environment variables, in place.

    A backend that is not installed, or a damaged file of settings, would end every command.
    """
    variables.pop("MPLBACKEND", None)
    variables["MATPLOTLIBRC"] = os.devnull  # an empty file, so that matplotlib's own defaults apply


def load_matplotlib() -> None:
    """Load matplotlib from another folder if this one holds settings, which it would read before any variable."""
    if Path("matplotlibrc").is_file():
        with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty):
            import matplotlib  # noqa: F401, PLC0415  # slow, and few folders hold such a file


def forget_warnings() -> None:
    """Undo what PYTHONWARNINGS and -W asked for: both are for the reader's own code, not for the packages here."""
    if os.environ.pop("PYTHONWARNINGS", None) is None and not sys.warnoptions:
        return
    sys.warnoptions.clear()  # processes that this one starts would get them
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)  # as Python does by itself


def provide_home(root: Path) -> None:
    """Give packages a home in `_build` where the reader has none to write to, as in a container without users."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111  # Path.home raises where there is none
    if home.is_absolute() and os.access(home, os.W_OK):
        return
    folder = root / "_build" / "home"
    with contextlib.suppress(OSError):  # a later write into _build reports what is wrong
        folder.mkdir(parents=True, exist_ok=True)
    os.environ["HOME"] = str(folder)
