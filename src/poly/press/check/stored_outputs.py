"""Find stale or incomplete stored outputs, stale kept runs, and claims that are younger than their numbers."""

from collections.abc import Sequence
from pathlib import Path

from poly.press.chapters import Page, PressError, code_cells, find_chapters, read_notebook, read_pages
from poly.press.claims import ledger, registry
from poly.press.execute.cache_key import changed, inputs, key_of
from poly.press.record import registered


def check(root: Path) -> bool:
    """Check that stored outputs are complete and fresh, kept runs fresh, and claims older than their numbers."""
    claims, outputs = _found(root, find_chapters(read_pages(root), []))
    for fault in [*claims, *(f"{fault} — `make record` refreshes it" for fault in outputs)]:
        print(fault)
    from poly.experiments import archive_audit  # noqa: PLC0415  # it loads torch, which most commands do not need
    from poly.sweep import archive  # noqa: PLC0415  # so does this

    folders = sorted(path.parent.relative_to(root) for path in (root / "book" / "data").rglob(archive.PROVENANCE))
    try:
        old = [line for folder in folders for line in archive_audit.stale(root / folder)]
    except ValueError as error:
        raise PressError(str(error)) from None
    for line in old:
        print(f"{line.replace(f'{root}/', '')} — `make audit` computes some of it again")
    return not claims + outputs + old + _late_claims(root)


def faults(root: Path, pages: Sequence[Page]) -> list[str]:
    """List the faults of the stored outputs, one line each; the list is empty when all are complete and fresh.

    nbval compares nothing in a cell that was never executed, so a chapter without outputs would pass it.
    """
    claims, outputs = _found(root, pages)
    return claims + outputs


def _found(root: Path, pages: Sequence[Page]) -> tuple[list[str], list[str]]:
    """List the faults of claims, and those of outputs, which new outputs mend."""
    found = []
    entries = registered(root)
    notebooks = {page: read_notebook(page.path) for page in pages}
    for page, notebook in notebooks.items():
        cells = code_cells(notebook)
        counts = [cell.execution_count for cell in cells]
        if not any(counts) and cells:
            found.append(f"{page.name}: no stored outputs")
        elif counts != list(range(1, len(cells) + 1)):
            found.append(f"{page.name}: its cells were not executed once each, in order: {counts}")
        elif any(output.output_type == "error" for cell in cells for output in cell.outputs):
            found.append(f"{page.name}: the stored output of a cell is an error")
        elif (stored := notebook.metadata.get("poly", {})).get("key") != key_of(now := inputs(root, notebook)):
            found.append(f"{page.name}: its stored outputs are stale: {changed(stored.get('inputs', {}), now)}")
    # Claims are compared only if nothing else is wrong: stale outputs are no evidence about them.
    broken = registry.violations(root, entries)
    if not broken + found:
        broken = ledger.faults(entries, notebooks)
    if not broken + found:
        new = [name for name in entries if name not in registry.read(root)]
        found = [f"claims.yml, {name}: its fingerprint is not stored yet" for name in new]
    return broken, found


def _late_claims(root: Path) -> list[str]:
    """List the claims that were registered after their number, and print them; say how many cannot be verified."""
    found, unverified = registry.order(root, registered(root))
    for fault in found:
        print(fault)
    if unverified:
        print(f"note: {unverified} claims were registered by commits that this copy's history lacks: not verified")
    return found
