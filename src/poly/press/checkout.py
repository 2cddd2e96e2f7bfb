"""Whether the code that runs is the book's own: one environment may serve several checkouts. A leaf module."""

from pathlib import Path


def foreign(root: Path) -> str:
    """One line if the book has a press of its own, and the `poly` that runs is another; else nothing.

    The same code in another place is the same, as where the package is installed without a link to the checkout.
    """
    own, running = root / "src" / "poly", Path(__file__).resolve().parents[1]
    if not (own / "press").is_dir() or own.resolve() == running or _files(own) == _files(running):
        return ""
    return (
        f"the poly that runs, {running}, is not that of {root}: "
        f"type make there, use its .venv, or set PYTHONPATH={root / 'src'}"
    )


def _files(package: Path) -> dict[str, bytes]:
    """What the package consists of, whatever line ends git has checked it out with."""
    return {
        path.relative_to(package).as_posix(): path.read_bytes().replace(b"\r\n", b"\n")
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".") and path.name[-1] != "~"
    }
