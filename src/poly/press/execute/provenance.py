"""Stamp chapters with where their numbers come from: commit, code, versions and machine; show it on every page."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from nbformat import NotebookNode

from poly.press import markup
from poly.press.chapters import Page, code_cells, figures_of
from poly.press.checkout import git
from poly.press.execute import machine
from poly.press.execute.parameters import known_parameters
from poly.press.execute.progress import duration
from poly.press.figures import figure_data

Stamp = dict[str, Any]
# The libraries that a chapter's numbers may depend on.
LIBRARIES = ("numpy", "scipy", "torch", "numba", "statsmodels", "matplotlib")


def book(root: Path) -> Stamp:
    """Stamp the book as a whole: its commit, and hashes of the package and of its requirements."""
    return {
        "commit": _commit(root),
        "package": _package(root),
        "requirements": _hash([root / "requirements.txt"], root),
    }


def stamp(notebook: NotebookNode) -> Stamp:
    """Return the stamp of the run that made a chapter's outputs; empty if it has none."""
    found: Stamp = notebook.metadata.get("poly", {}).get("provenance", {})
    return found


def run_seconds(notebook: NotebookNode) -> float:
    """Return how long the run of the stored outputs took, in seconds; 0 if there are none."""
    return float(stamp(notebook).get("seconds") or 0.0)


def run(root: Path, notebook: NotebookNode, *, seconds: float, memory: int) -> Stamp:
    """Stamp an executed chapter; ``memory`` is the most that its kernel held, in bytes."""
    return book(root) | {
        "seeds": {name: value for name, value in _parameters(notebook).items() if "seed" in name},
        "python": platform.python_version(),
        "libraries": _libraries(),
        "processor": processor(),
        "cores": machine.cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seconds": round(seconds, 1),
        "peak_memory_gib": round(memory / 2**30, 2),
        "cells": [round(cell.metadata.get("papermill", {}).get("duration") or 0.0, 2) for cell in code_cells(notebook)],
    }


def made_here(found: Stamp) -> bool:
    """Return whether a run was made with this processor and these libraries."""
    here = {"python": platform.python_version(), "libraries": _libraries(), "processor": processor()}
    return {name: found.get(name) for name in here} == here


def _libraries() -> dict[str, str]:
    return {name: version for name in LIBRARIES if (version := _version(name))}


def processor() -> str:
    """Find the processor's name, as its maker writes it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def footer(stamp: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Write the footer of a page as HTML: the stamp of its run, if it has one, and what the book was rendered from."""
    rows = {}
    if stamp:
        rows = {
            "executed": f"{stamp['date']}, in {duration(stamp['seconds'])}",
            "memory": f"at most {stamp['peak_memory_gib']:g} GiB",
            "at commit": stamp["commit"],
            "package": stamp["package"][:12],
            "requirements": stamp["requirements"][:12],
            "seeds": ", ".join(f"{name} = {value}" for name, value in stamp["seeds"].items()) or "none",
            "Python": stamp["python"],
            "libraries": ", ".join(f"{name} {version}" for name, version in stamp["libraries"].items()),
            "machine": f"{stamp['processor']}, {stamp['cores']} cores, {stamp['memory_gib']:g} GiB",
        }
    rows |= {
        "rendered at": f"commit {now['commit']}, package {now['package'][:12]}, requirements {now['requirements'][:12]}"
    }
    cells = "".join(
        f'<tr><th scope="row">{key}</th><td>{markup.escaped(value)}</td></tr>' for key, value in rows.items()
    )
    return f'<details class="provenance"><summary>How this page was made</summary><table>{cells}</table></details>'


def whole(root: Path, notebooks: Mapping[Page, NotebookNode]) -> str:
    """Write ``provenance.json``: the stamps of the book and of its chapters, and SHA-256 of each figure's numbers."""
    chapters = {}
    for page, notebook in notebooks.items():
        chapters[page.name] = {
            "key": notebook.metadata.get("poly", {}).get("key", ""),
            "run": stamp(notebook),
            "figures": {each["name"]: figure_hash(each) for each in figures_of(notebook)},
        }
    return json.dumps({"book": book(root), "chapters": chapters}, indent=1, ensure_ascii=False) + "\n"


def figure_hash(figure: Mapping[str, Any]) -> str:
    """Hash the archive of a figure's numbers that the page offers for download: SHA-256."""
    return hashlib.sha256(figure_data.npz(figure_data.unpack(figure["data"]).series)).hexdigest()


def _parameters(notebook: NotebookNode) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in known_parameters(notebook).items()}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _commit(root: Path) -> str:
    """Name the commit that holds the book, and whether files have changed since; "unknown" where there is none.

    A book that was unpacked inside another repository is not in that repository's commits.
    """
    try:
        at_its_top = git(root, "rev-parse", "--show-prefix") in (b"", b"\n")
        needed = [git(root, "cat-file", "-e", f"HEAD:{name}") for name in ("_toc.yml", "src/poly")]
        if not at_its_top or None in needed:
            return "unknown"
        commit = (git(root, "rev-parse", "--short=12", "HEAD") or b"").decode().strip()
        changed = bool(git(root, "status", "--porcelain", "--untracked-files=no"))
    except OSError:
        return "unknown"
    return f"{commit} with changes" if commit and changed else commit or "unknown"


def _package(root: Path) -> str:
    return _hash(sorted((root / "src" / "poly").rglob("*.py")), root)


def _hash(files: Iterable[Path], root: Path) -> str:
    found = hashlib.sha256()
    for path in files:
        if path.is_file():
            # The same on every machine, with whatever line ends git has checked it out.
            text = path.read_bytes().replace(b"\r\n", b"\n")
            found.update(f"{path.relative_to(root).as_posix()} {hashlib.sha256(text).hexdigest()}\n".encode())
    return found.hexdigest()
