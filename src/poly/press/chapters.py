"""Read the pages that `_toc.yml` names, and find and read chapters."""

import copy
import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import yaml
from nbformat import NotebookNode
from sphinx_external_toc.parsing import MalformedError, parse_toc_data

from poly.press import checkout, markup, metadata, safe_yaml, sources, syntax
from poly.press.figures import figure_data

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


# The beginnings of the cells that only a downloaded chapter has. An editor may have removed the ids of these cells.
HOW_TO_RUN = "> **How to run this chapter.**"
START = "# On Colab: get the book and its package, once."


class PressError(Exception):
    """An error that the terminal shows as one line, without a traceback."""


class Page(NamedTuple):
    """A page of the book: its file, and its `docname` as `_toc.yml` writes it, without suffix."""

    docname: str
    path: Path

    @property
    def name(self) -> str:
        """Return the short name: '03-race' for 'book/03-race'."""
        return self.docname.removeprefix("book/")

    @property
    def is_chapter(self) -> bool:
        """Return whether the page is executed."""
        return self.path.suffix == ".ipynb"


def find_root(start: Path) -> Path:
    """Find the book's root: the first folder from `start` upward that holds the book's files.

    Raises:
        PressError: there is no such folder, or the code that runs is not the book's own.
    """
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file() and (folder / "src" / "poly").is_dir():  # other books have only the first
            if line := checkout.foreign(folder):
                raise PressError(line)
            return folder
    raise PressError(f"no _toc.yml beside src/poly in {start} or above it: change into the book's folder")


def read_text(path: Path) -> str:
    """Read the text of a file.

    Raises:
        PressError: the file is not valid UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PressError(f"{path.name}, byte {error.start}: not valid UTF-8") from None


def read_yaml(path: Path) -> Any:
    """Read the content of a YAML file.

    Raises:
        PressError: the file is not valid YAML. One line names the place of the error.
    """
    try:
        return yaml.load(read_text(path), safe_yaml.Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise PressError(f"{path.name}{place}: not valid YAML: {reason}") from None
    except RecursionError:
        raise PressError(f"{path.name}: not valid YAML: too many brackets") from None


def read_pages(root: Path) -> list[Page]:
    """Read the list of pages that `_toc.yml` names, in its order.

    Raises:
        PressError: `_toc.yml` is malformed, a page is named twice, or a file is missing or cannot be staged.
    """
    data = read_yaml(root / "_toc.yml")
    try:
        docnames = list(parse_toc_data(data))
    except MalformedError as error:
        raise PressError(f"_toc.yml: {str(error).splitlines()[0]}") from None
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise PressError(f"_toc.yml: not a table of contents ({error!r})") from None
    pages = [_page(root, docname) for docname in docnames]
    named: dict[str, Page] = {}
    for page in pages:
        other = named.setdefault(sources.same_file(page.docname), page)
        if other is not page:
            raise PressError(
                f"_toc.yml names {other.docname!r} and {page.docname!r}: a page is named once, and a name differs from "
                "others in more than case"
            )
    if faults := sources.book_faults(root):
        raise PressError(faults[0])
    return pages


def _page(root: Path, docname: str) -> Page:
    stem = re.sub(r"\.(md|ipynb)$", "", docname)
    if fault := sources.page_fault(stem):
        raise PressError(f"_toc.yml names {docname!r}, {fault}")
    for suffix in (".ipynb", ".md"):
        path = root / f"{stem}{suffix}"
        if path.is_file():
            return Page(stem, path)
    raise PressError(f"_toc.yml names {docname}, but there is no {stem}.ipynb and no {stem}.md")


def find_chapters(pages: Iterable[Page], wanted: Iterable[str]) -> list[Page]:
    """Find the chapters that `wanted` gives by number ('3', '03'), name or path; all if it gives none."""
    chapters = [page for page in pages if page.is_chapter]
    names = list(wanted)
    return [_find(chapters, name) for name in names] if names else chapters


def _find(chapters: list[Page], wanted: str) -> Page:
    name = wanted.replace("\\", "/").removeprefix("./").removeprefix("book/").removesuffix(".ipynb")
    for page in chapters:
        number = re.match(r"\d+", page.name)
        same_number = name.isdecimal() and number is not None and int(number[0]) == int(name)
        if name == page.name or same_number:
            return page
    known = ", ".join(page.name for page in chapters) or "none"
    raise PressError(f"no chapter {wanted!r} in _toc.yml; there are: {known}")


def read_notebook(path: Path) -> NotebookNode:
    """Read the notebook in `path`, with Unix line ends and without the cells that a download adds.

    Raises:
        PressError: the file is not a valid notebook, or its metadata is not as the press stores it.
    """
    wrong: dict[str, nbformat.ValidationError] = {}
    try:
        notebook: NotebookNode = nbformat.read(path, nbformat.NO_CONVERT, wrong)  # type: ignore[no-untyped-call]
        if notebook.nbformat != 4:
            raise ValueError(f"it is in format {notebook.nbformat}, must be 4: save it again with `make notebook`")
        for error in wrong.values():
            place = ", ".join(map(str, error.absolute_path))
            raise ValueError(f"{place}: {error.message}"[:200])
        metadata.check(notebook)
    except (
        nbformat.ValidationError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        NameError,
        RecursionError,
    ) as error:
        reason = (str(error).splitlines() or ["damaged"])[0]
        raise PressError(f"{path.name} is not a valid notebook: {reason}") from None
    for cell in notebook.cells:
        cell.source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    return without_added(notebook)


def without_added(notebook: NotebookNode) -> NotebookNode:
    """Remove the cells that a download adds to the notebook, in place, and return it."""
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith((HOW_TO_RUN, START))]
    return notebook


def give_ids(notebook: NotebookNode) -> None:
    """Give a new id to every cell without a valid id of its own: Colab and old editors store none."""
    notebook.nbformat_minor = max(5, notebook.nbformat_minor)
    known = {cell.get("id") for cell in notebook.cells}
    taken: set[str] = set()
    for number, cell in enumerate(notebook.cells):
        if not re.fullmatch(r"[\w-]{1,64}", cell.get("id") or "", re.ASCII) or cell.id in taken:
            cell.id = next(new for i in count() if (new := f"cell-{number}-{i}") not in known)
        taken.add(cell.id)


def notebook_text(notebook: NotebookNode) -> str:
    """Write the notebook as the text of its file, in one stable form, so that git shows small changes."""
    text: str = nbformat.writes(notebook, version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
    return text.rstrip("\n") + "\n"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """List the cells that a kernel executes: code cells that are not empty."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def sets_parameters(cell: NotebookNode) -> bool:
    """Tell whether a cell is tagged as the one that sets the chapter's parameters."""
    return "parameters" in cell.metadata.get("tags", [])


def outputs_of(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode]]:
    """List every output with its cell, in order."""
    return [(cell, output) for cell in notebook.cells for output in cell.get("outputs", [])]


def check_outputs(name: str, notebook: NotebookNode) -> None:
    """Refuse outputs that no page may show: active content, and text or images that are too long.

    Raises:
        PressError: an output holds one of these.
    """
    for cell, output in outputs_of(notebook):
        if fault := markup.output_fault(output):
            first = (cell.source.splitlines() or ["…"])[0]
            raise PressError(f"{name}: an output of the cell that begins {first[:60]!r} holds {fault}")


def poly_metadata(output: NotebookNode) -> dict[str, Any]:
    """Return what figures, cards and captions have stored in an output's metadata for the press."""
    return dict(output.get("metadata", {}).get("poly", {}))


def figures_of(notebook: NotebookNode) -> list[dict[str, Any]]:
    """List the metadata of the notebook's figures, in order.

    Raises:
        PressError: the name of a figure is not fit to name a file.
    """
    found = [poly_metadata(output)["figure"] for _, output in outputs_of(notebook) if "figure" in poly_metadata(output)]
    for figure in found:
        try:
            figure_data.check_name(figure.get("name"))
        except ValueError as error:
            raise PressError(str(error)) from None
    return found


def with_outputs(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """Copy `source`, with the outputs and execution counts of the code cells of `executed`."""
    merged = copy.deepcopy(source)
    cells, done = code_cells(merged), code_cells(executed)
    if [syntax.executed(cell.source) for cell in cells] != [syntax.executed(cell.source) for cell in done]:
        raise PressError("the executed copy has other cells than the chapter: run the build again")
    for cell, other in zip(cells, done, strict=True):
        cell.outputs = other.outputs
        cell.execution_count = other.execution_count
    return merged
