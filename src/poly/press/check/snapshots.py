"""Execute every chapter again under nbval, and compare its text and its figures' numbers with the stored ones."""

import json
import re
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from nbformat import NotebookNode

from poly.press import execute, figures, text_comparison
from poly.press.chapters import Page, PressError, code_cells, figures_of, read_notebook
from poly.press.check import comparison, reproduce
from poly.press.disk import emptied
from poly.press.execute import machine, provenance, sockets
from poly.press.execute.cache_key import chapter_key
from poly.press.figures import figure_data

FIGURES = Path("_build") / "test" / "figures"
SWEEPS = Path("_build") / "test" / "sweeps"
# nbval's message for a cell whose outputs differ.
_DIFFERS = "Cell outputs differ"


def chapters(root: Path, pages: Sequence[Page], variables: Mapping[str, str], *, again: bool = True) -> dict[str, Any]:
    """Run the chapters under nbval with these variables; count the cells and figures that hold, and list the faults.

    Sweeps are recomputed, because the keys of stored sweeps do not include the libraries.

    Args:
        root: the folder of the book.
        pages: the chapters.
        variables: environment variables for the kernels.
        again: False: a chapter that a build of this tree has executed is compared as it is, and not executed again.
    """
    known = {} if again else {page: done for page in pages if (done := _executed(root, page)) is not None}
    if known:
        names = ", ".join(page.name for page in known)
        print(f"executed by the last build, and not again: {names} (ARGS=--execute executes them)", flush=True)
    kept = reproduce.rows(root / reproduce.KEPT)
    moves, texts = reproduce.perturbed(kept), reproduce.changed_texts(kept)
    held = [
        comparison.compare(read_notebook(page.path), done, perturbed=moves, texts=texts.get(page.name))
        for page, done in known.items()
    ]
    executed = [page for page in pages if page not in known]
    cases = _cases(root, executed, variables) if executed else []
    paths = {page.name: page.path for page in executed}
    failed = [
        f"{where}, {name} {fault}{_explained(fault, paths.get(where), name, texts.get(where))}"
        for where, name, fault in cases
        if fault
    ]
    wrong, number = figure_faults(executed, root / FIGURES, moves)
    lost = len({line.split(",")[1] for line in wrong})
    cells = [(len(cases) - len(failed), len(cases)), *(each.cells for each in held)]
    drawn = [(number - lost, number), *(each.figures for each in held)]
    faults = [*failed, *wrong] if cases or not executed else ["nbval ran no cell"]
    faults += [f"{page.name}, {line}" for page, each in zip(known, held, strict=True) for line in each.faults]
    return {"cells": _held(cells), "figures": _held(drawn), "faults": faults}


def _explained(fault: str, path: Path | None, name: str, texts: Collection[str] | None) -> str:
    """Say whether perturbation explains that nbval's cell "…Cell 5" differs; its numbers begin with 0."""
    number = re.search(r"(\d+)$", name)
    if not fault.startswith("differs") or number is None or path is None:
        return ""
    return comparison.explained(code_cells(read_notebook(path))[int(number[1])].get("id", ""), texts)


def _held(counts: Sequence[tuple[int, int]]) -> str:
    held, of = (sum(column) for column in zip(*counts, strict=True))
    return f"{held} of {of}"


def _executed(root: Path, page: Page) -> NotebookNode | None:
    """Read the copy that a build of this tree has executed here; None if the stored outputs come from the same run."""
    source, path = read_notebook(page.path), execute.executed_path(root, page)
    if execute.stamp_of(path) != (chapter_key(root, source), execute.PYTHON):
        return None
    done = read_notebook(path)
    made, stored = map(provenance.stamp, (done, source))
    return done if provenance.made_here(made) and made != stored else None


def _cases(root: Path, pages: Sequence[Page], variables: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """List each cell's chapter, name and fault, as ``_nbval`` does, with fresh sweeps."""
    variables = {**variables, execute.STORE: str(emptied(root / SWEEPS))}
    cases = _nbval(root, pages, variables)
    # If no cell of a chapter passed, it may have had no kernel: two that start at once may take the same port. Such a
    # chapter runs once more.
    lost = [page for page in pages if not any(not fault for where, _, fault in cases if where == page.name)]
    for page in lost:
        cases = [case for case in cases if case[0] != page.name] + _nbval(root, [page], variables)
    return cases


def _nbval(root: Path, pages: Sequence[Page], variables: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """List each cell's chapter, name and fault, empty if it holds; write the figures' numbers to ``FIGURES``."""
    folder, report = root / FIGURES, root / FIGURES.parent / "nbval.xml"
    folder.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    for page in pages:
        for figure in figures_of(read_notebook(page.path)):
            (folder / f"{figure['name']}.json").unlink(missing_ok=True)
    # The longest first: a long one that starts last leaves all cores but one idle.
    longest_first = sorted(pages, key=lambda page: provenance.run_seconds(read_notebook(page.path)), reverse=True)
    files = [str(page.path.relative_to(root)) for page in longest_first]
    workers = machine.fitting(min(machine.cores(), len(files)), machine.KERNEL)
    side_by_side = ["-n", str(workers), "--dist", "loadscope", "--no-loadscope-reorder"] if workers > 1 else []
    options = ["-q", *side_by_side, "-p", "no:cacheprovider", f"--junitxml={report}"]
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
    found = case.find(f"properties/property[@name='{text_comparison.DIFFERS}']")
    if found is not None:
        return f"differs: it {found.get('value', '')}"
    differs = any(_DIFFERS in f"{failure.get('message')} {failure.text}" for failure in failures)
    return f"{'differs' if differs else 'failed'}: its output above says how"


def figure_faults(
    pages: Sequence[Page], folder: Path, perturbed: Mapping[str, Mapping[str, float]] | None = None
) -> tuple[list[str], int]:
    """List the series of new figures that are not as stored, and count the stored figures."""
    found: list[str] = []
    number = 0
    for page in pages:
        stored = comparison.figures_by_name(read_notebook(page.path))
        files = {name: folder / f"{name}.json" for name in stored}
        new = {
            name: figure_data.unpack(json.loads(path.read_text(encoding="utf-8")))
            for name, path in files.items()
            if path.is_file()
        }
        found += [f"{page.name}, {line}" for line in comparison.differences(stored, new, perturbed)]
        number += len(stored)
    return found, number
