"""Store new outputs in the chapters after showing what changes."""

import copy
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import nbdime
from nbdime.prettyprint import PrettyPrintConfig, pretty_print_diff
from nbformat import NotebookNode

from poly.press import claims
from poly.press.chapters import (
    KERNELSPEC,
    Page,
    PressError,
    code_cells,
    figures_of,
    notebook_text,
    poly_metadata,
    read_notebook,
)
from poly.press.claims import ledger, registry
from poly.press.disk import atomic_write
from poly.press.execute import Result
from poly.press.execute.cache_key import read_claims


def record(root: Path, results: Sequence[Result], *, dry_run: bool = False, every: bool = False) -> int:
    """Show how the new outputs differ from the stored ones, store them, and return how many files changed.

    Sources, ids and cell metadata stay as they are. A chapter whose outputs and key are as stored is not written. With
    ``every`` it is written too, so that its new run time is stored.
    """
    changed = 0
    entries = registered(root)
    if lost := registry.violations(root, entries):
        raise PressError("; ".join(lost))
    for result in results:
        stored = read_notebook(result.page.path)
        for claim in ledger.records(stored):
            silent = claim["id"] in entries and registry.unamended_change(entries[claim["id"]], claim)
            if silent:
                raise PressError(f"{result.page.name}: {silent}")
        new = to_store(result)
        text = notebook_text(new)
        if not every and notebook_text(_without_provenance(new)) == notebook_text(_without_provenance(stored)):
            print(f"{result.page.name}: nothing changed")
            continue
        changed += 1
        show_changes(result.page.name, stored, result.notebook)
        if dry_run:
            print(f"{result.page.name}: would be written")
        else:
            atomic_write(result.page.path, text)
            print(f"{result.page.name}: written")
    if entries and not dry_run:
        registry.store_fingerprints(root, entries)
    return changed


def to_store(result: Result) -> NotebookNode:
    """Return the chapter with its new outputs, and with their key, inputs and provenance in its metadata."""
    notebook = copy.deepcopy(result.notebook)
    # No version of Python: it would change with the machine that recorded last.
    notebook.metadata.update(kernelspec=dict(KERNELSPEC), language_info={"name": "python"})
    of_run = notebook.metadata["poly"]
    notebook.metadata["poly"] = {"key": result.key, "inputs": of_run["inputs"], "provenance": of_run["provenance"]}
    notebook.metadata.pop("papermill", None)
    return notebook


def _without_provenance(notebook: NotebookNode) -> NotebookNode:
    """Copy the notebook without its provenance, so that a run with the same outputs does not count as a change."""
    bare = copy.deepcopy(notebook)
    bare.metadata.get("poly", {}).pop("provenance", None)
    return bare


def show_changes(name: str, stored: NotebookNode, new: NotebookNode) -> None:
    """Print how the outputs differ, as text; an image is shown by its size and hash."""
    if not any(cell.outputs for cell in code_cells(stored)):
        print(f"{name}: no outputs are stored yet; {len(code_cells(new))} cells have them now")
        return
    before, after = _outputs_only(stored), _outputs_only(new)
    difference = nbdime.diff_notebooks(before, after)
    if not difference:
        print(f"{name}: the outputs are the same")
        return
    print(f"{name}: the outputs change")
    color = sys.stdout.isatty()
    config = PrettyPrintConfig(out=sys.stdout, use_git=False, use_diff=False, use_color=color)
    pretty_print_diff(before, difference, "", config)


def _outputs_only(notebook: NotebookNode) -> NotebookNode:
    reduced = copy.deepcopy(notebook)
    reduced.metadata.clear()
    for figure in figures_of(reduced):
        if "narrow" in figure:  # a picture: comparing its text would take minutes
            figure["narrow"] = hashlib.sha256(figure["narrow"].encode()).hexdigest()[:16]
    for cell in reduced.cells:
        cell.metadata.clear()
        for output in cell.get("outputs", []):
            if "execution_count" in output:
                output.execution_count = None
            if packed := poly_metadata(output).get("figure", {}).get("data"):
                packed["npz"] = f"sha256 {hashlib.sha256(packed['npz'].encode()).hexdigest()[:12]}"
            for kind, data in output.get("data", {}).items():
                if kind.startswith("image/"):
                    digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
                    output.data[kind] = f"image of {len(data)} characters, sha256 {digest}"
        if cell.cell_type == "code":
            cell.execution_count = None
    return reduced


def registered(root: Path) -> dict[str, claims.Claim]:
    """Load the ledger's entries by id; return none if the book has no ledger."""
    if not read_claims(root):
        return {}
    try:
        return claims.load(root / "book" / "claims.yml")
    except ValueError as error:
        raise PressError(str(error)) from None


def stored(pages: Sequence[Page]) -> dict[Page, NotebookNode]:
    """Read the chapters with their stored outputs.

    Raises:
        PressError: a chapter has a code cell that was never executed.
    """
    notebooks = {page: read_notebook(page.path) for page in pages}
    for page, notebook in notebooks.items():
        if any(cell.execution_count is None for cell in code_cells(notebook)):
            raise PressError(f"{page.name} has no stored outputs: `make record` makes them")
    return notebooks
