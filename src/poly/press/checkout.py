"""Ask git about the checkout, and check that the code that runs is its own: one environment may serve several.

This module imports no other module of `poly`.
"""

import os
import subprocess
from pathlib import Path


def git(root: Path, *words: str) -> bytes | None:
    """Return what git prints for the repository at a folder, whatever its variables say; None where it fails."""
    variables = {name: value for name, value in os.environ.items() if not name.upper().startswith("GIT_")}
    done = subprocess.run(["git", "-C", str(root), *words], env=variables, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def foreign(root: Path) -> str:
    """Return an error message if the running `poly` is not that of the book's own checkout; else an empty text.

    The same code in another place counts as the book's own: the package may be installed without a link to the
    checkout.
    """
    own, running = root / "src" / "poly", Path(__file__).resolve().parents[1]
    if not (own / "press").is_dir() or own.resolve() == running or _files(own) == _files(running):
        return ""
    return (
        f"the poly that runs, {running}, is not that of {root}: "
        f"type make there, use its .venv, or set PYTHONPATH={root / 'src'}"
    )


def _files(package: Path) -> dict[str, bytes]:
    """Read the files of the package by path, with line ends that do not depend on the checkout."""
    return {
        path.relative_to(package).as_posix(): path.read_bytes().replace(b"\r\n", b"\n")
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".") and path.name[-1] != "~"
    }
