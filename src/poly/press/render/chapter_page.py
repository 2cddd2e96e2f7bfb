"""Add to a chapter's text its claims on top, its verdicts at the end, and explained words in the margin."""

import re
from collections.abc import Mapping

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from poly.press import claims, markup
from poly.press.chapters import sets_parameters
from poly.press.claims import Claim, ledger

_TERM = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+?)>?`")
_EXERCISES = re.compile(r"^## Exercises$", re.MULTILINE)


def glossary(text: str) -> dict[str, str]:
    """Read words and meanings from the glossary's page: its ``{glossary}`` blocks hold a word, then indented lines."""
    meanings: dict[str, str] = {}
    for block in re.findall(r"^```\{glossary\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for entry in re.split(r"\n\s*\n", block.strip()):
            word, *lines = entry.split("\n")
            meanings[word.strip()] = " ".join(line.strip() for line in lines)
    return meanings


def add_claims(
    notebook: NotebookNode, name: str, registered: Mapping[str, Claim], meanings: Mapping[str, str]
) -> NotebookNode:
    """Add claims and notes to the notebook, in place; ``name`` is the chapter's, as claims know it."""
    here = [claim for claim in registered.values() if claim.chapter == name and not claim.retired]
    _define(notebook, meanings)
    if here:
        notebook.cells.insert(_predictions(notebook), _cell("frame-claims", _box(here)))
        _before_exercises(notebook, _cell("frame-verdicts", _verdicts(here, notebook)))
    return notebook


def _predictions(notebook: NotebookNode) -> int:
    """Find the place of the first cell that shows predictions; without one, the place under the title."""
    return next((place for place, cell in enumerate(notebook.cells) if _predicts(cell)), 1)


def _predicts(cell: NotebookNode) -> bool:
    """Tell whether a cell shows predictions."""
    return bool(cell.cell_type == "code" and cell.source.startswith("claims.predict("))


def _cell(name: str, source: str) -> NotebookNode:
    return new_markdown_cell(source, id=name)  # type: ignore[no-untyped-call, no-any-return]


def _box(here: list[Claim]) -> str:
    ids = " ".join(f'<a href="#claim-{claim.id}">{claim.id}</a>' for claim in here)
    return f'<div class="claims-here"><p><b>Claims in this chapter</b> {ids}</p></div>'


def _verdicts(here: list[Claim], notebook: NotebookNode) -> str:
    measured = {record["id"]: record for record in ledger.records(notebook)}
    rows = ""
    for claim in here:
        if record := measured.get(claim.id):
            verdict = f'<span class="verdict verdict-{record["verdict"]}">{record["verdict"]}</span>'
            said = (claims.predicted(claim.prediction), claims.measurement(record, claim.digits))
            cells = " | ".join(map(markup.plain, said))
            rows += f'| <a href="#claim-{claim.id}">{claim.id}</a> | {cells} | {verdict} |\n'
    return f"## Verdicts\n\n| claim | predicted | measured | verdict |\n|---|---|---|---|\n{rows}"


def _before_exercises(notebook: NotebookNode, cell: NotebookNode) -> None:
    """Put a cell before the exercises, which may begin within a cell, or at the end where there are none."""
    for place, each in enumerate(notebook.cells):
        found = _EXERCISES.search(each.source) if each.cell_type == "markdown" else None
        if found:
            rest = _cell("frame-exercises", each.source[found.start() :])
            each.source = each.source[: found.start()].rstrip()
            notebook.cells[place + 1 : place + 1] = [cell, rest]
            return
    notebook.cells.append(cell)


def _define(notebook: NotebookNode, meanings: Mapping[str, str]) -> None:
    """Put the meaning of a word into the margin, beside the paragraph that uses it first."""
    seen: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = "\n\n".join(_with_notes(block, meanings, seen) for block in _blocks(cell.source))


def _blocks(source: str) -> list[str]:
    """Split markdown into blocks; what stands between fences, such as an exercise's solution, stays one block."""
    blocks: list[str] = []
    fence = ""
    for part in re.split(r"\n[ \t]*\n", source):
        blocks[-1:] = [f"{blocks[-1]}\n\n{part}"] if fence else [*blocks[-1:], part]
        for mark in re.findall(r"^(```+|:::+|\$\$)", part, re.MULTILINE):
            fence = "" if fence == mark else fence or mark
    return blocks


def _with_notes(block: str, meanings: Mapping[str, str], seen: set[str]) -> str:
    if re.match(r"```|:::|\$\$|<|#", block):  # a note inside would be lost, or stand in a heading
        return block
    new = [word for word in dict.fromkeys(_TERM.findall(block)) if word in meanings and word not in seen]
    seen.update(new)
    notes = [f":::{{margin}}\n**{word}** {_plain(meanings[word])}\n:::" for word in new]
    return "\n\n".join([*notes, block])


def _plain(meaning: str) -> str:
    """Remove links to other words from a meaning, because its note stands alone."""
    return re.sub(r"\{term\}`([^`<]*?)\s*(?:<[^>]*>)?`", r"\1", meaning)


def fold_cells(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Hide settings and predictions under bars of their own, and code that follows hidden code under the same bar.

    A cell that only fills in numbers of the text is hidden like the code of a figure.
    """
    found: list[NotebookNode] = []
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if sets_parameters(cell):
            _fold(cell, "Settings of this chapter", "hide-input")
        elif _predicts(cell):
            _fold(cell, "Predictions, and how they are tested", "hide-cell")
        elif cell.cell_type == "code" and not tags and cell.outputs and not any(map(_seen, cell.outputs)):
            cell.metadata["tags"] = ["hide-input"]
        before = found[-1] if found else None
        if before is not None and _goes_on(before, cell):
            before.source = f"{before.source}\n\n{cell.source}"
            # Visible outputs come first, so that a figure keeps its cell.
            before.outputs = [*cell.outputs, *before.outputs]
        else:
            found.append(cell)
    return found


def _fold(cell: NotebookNode, title: str, tag: str) -> None:
    """Hide a part of the cell under a bar with this title."""
    prompts = {"code_prompt_show": title, "code_prompt_hide": title}
    cell.metadata["mystnb"] = {**prompts, **cell.metadata.get("mystnb", {})}
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), tag]


def _goes_on(before: NotebookNode, cell: NotebookNode) -> bool:
    """Return whether a hidden cell can share the bar of the hidden cell before it, which shows nothing."""
    if {before.cell_type, cell.cell_type} != {"code"}:
        return False
    alike = before.metadata.get("tags") == cell.metadata.get("tags") == ["hide-input"]
    return alike and not any(map(_seen, before.outputs))


def _seen(output: NotebookNode) -> bool:
    """Tell whether an output shows in the page; a number for the text does not."""
    return "scrapbook" not in output.get("metadata", {})
