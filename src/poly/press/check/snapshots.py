"""Execute every chapter again under nbval, and compare its text and its figures' numbers with the stored ones."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from poly.press import execute, figures, texts
from poly.press.chapters import Page, PressError, emptied, figures_of, read_notebook
from poly.press.check import reproduce
from poly.press.execute import machine, sockets
from poly.press.figures import figure_data
from poly.press.figures.figure_data import FigureData

FIGURES = Path("_build") / "test" / "figures"
SWEEPS = Path("_build") / "test" / "sweeps"
# nbval's message for a cell whose outputs differ.
_DIFFERS = "Cell outputs differ"


def chapters(root: Path, pages: Sequence[Page], variables: Mapping[str, str]) -> dict[str, Any]:
    """Run the chapters under nbval with these variables; count the cells and figures that hold, and list the faults.

    Sweeps are recomputed, because the keys of stored sweeps do not include the libraries.
    """
    variables = {**variables, execute.STORE: str(emptied(root / SWEEPS))}
    cases = _nbval(root, pages, variables)
    # If no cell of a chapter passed, it may have had no kernel: two that start at once may take the same port. Such a
    # chapter runs once more.
    lost = [page for page in pages if not any(not fault for where, _, fault in cases if where == page.name)]
    for page in lost:
        cases = [case for case in cases if case[0] != page.name] + _nbval(root, [page], variables)
    failed = [f"{where}, {name} {fault}" for where, name, fault in cases if fault]
    wrong, number = figure_faults(pages, root / FIGURES, reproduce.perturbed(root))
    lost_figures = len({line.split(",")[1] for line in wrong})
    return {
        "cells": f"{len(cases) - len(failed)} of {len(cases)}",
        "figures": f"{number - lost_figures} of {number}",
        "faults": [*failed, *wrong] if cases else ["nbval ran no cell"],
    }


def _nbval(root: Path, pages: Sequence[Page], variables: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """List each cell's chapter, name and fault, empty if it holds; write the figures' numbers to ``FIGURES``."""
    folder, report = root / FIGURES, root / FIGURES.parent / "nbval.xml"
    folder.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    for page in pages:
        for figure in figures_of(read_notebook(page.path)):
            (folder / f"{figure['name']}.json").unlink(missing_ok=True)
    files = [str(page.path.relative_to(root)) for page in pages]
    workers = str(machine.fitting(min(machine.cores(), len(files)), machine.KERNEL))
    options = ["-q", "-n", workers, "--dist", "loadscope", "-p", "no:cacheprovider", f"--junitxml={report}"]
    with sockets.folder(root) as private:
        own = {figures.FOLDER: str(folder), "JUPYTER_RUNTIME_DIR": private}
        subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", *files, *options],
            cwd=root,
            env={**execute.environment(root, machine.cores()), **variables, **own},
            check=False,
        )
    if not report.is_file():
        raise PressError("nbval ended without a report")
    return [
        (
            case.get("classname", "").removeprefix("book.").removesuffix(".ipynb"),
            case.get("name", ""),
            fault(case),
        )
        for case in ElementTree.parse(report).iter("testcase")
    ]


def fault(case: ElementTree.Element) -> str:
    """Say how a cell differs from its stored outputs, or that it failed; return an empty text if it holds."""
    failures = [*case.iter("failure"), *case.iter("error")]
    if not failures:
        return ""
    found = case.find(f"properties/property[@name='{texts.DIFFERS}']")
    if found is not None:
        return f"differs: it {found.get('value', '')}"
    differs = any(_DIFFERS in f"{failure.get('message')} {failure.text}" for failure in failures)
    return f"{'differs' if differs else 'failed'}: its output above says how"


def figure_faults(
    pages: Sequence[Page], folder: Path, perturbed: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[list[str], int]:
    """List the series of new figures that are not as stored, and count the stored figures."""
    found, number = [], 0
    for page, name, stored, new in drawn(pages, folder):
        number += 1
        if new is None:
            found.append(f"{page.name}, {name}, was not drawn")
            continue
        lines = figure_data.differences(stored, new, (perturbed or {}).get(name))
        found += [f"{page.name}, {name}, {line}" for line in lines]
    return found, number


def drawn(pages: Sequence[Page], folder: Path) -> Iterator[tuple[Page, str, FigureData, FigureData | None]]:
    """Yield each stored figure with its page and name, and the new figure, or None if it was not drawn."""
    for page in pages:
        for figure in figures_of(read_notebook(page.path)):
            path = folder / f"{figure['name']}.json"
            new = figure_data.unpack(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None
            yield page, figure["name"], figure_data.unpack(figure["data"]), new
