"""Compute the key of a chapter: one hash over all that its outputs depend on.

Equal keys mean that nothing has to run again. The key ignores prose, comments and docstrings, which change no output.
It also ignores the Python version, because no number depends on it; the build's cache asks for the same minor version.
"""

import ast
import functools
import hashlib
import json
import types
from collections.abc import Iterable, Mapping
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from poly import perturb
from poly.press import syntax
from poly.press.chapters import PressError, code_cells, read_yaml, sets_parameters

PROVENANCE = "provenance.json"  # of poly.sweep.archive, which takes long to import
_SHOWN = 3  # inputs that a message names


def chapter_key(root: Path, notebook: NotebookNode, parameters: Mapping[str, Any] | None = None) -> str:
    """Hash all inputs of a chapter: SHA-256."""
    return key_of(inputs(root, notebook, parameters))


def key_of(found: Mapping[str, str]) -> str:
    """Hash the digests of a chapter's inputs."""
    return _hash(json.dumps(found, sort_keys=True))


def inputs(root: Path, notebook: NotebookNode, parameters: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Digest everything that a chapter's outputs depend on, by its name.

    These are its code cells, given parameters, reached `poly` modules, data files, named claims, and requirements.txt.
    """
    cells = code_cells(notebook)
    trees = [tree for cell in cells if (tree := syntax.parsed(cell.source)) is not None]
    literals = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    files = [*reached_modules(root / "src", trees), *data_files(root / "book", literals), root / "requirements.txt"]
    found = {f"code cell {number}": _cell_hash(cell) for number, cell in enumerate(cells, 1)}
    found |= {path.relative_to(root).as_posix(): _file_hash(path) for path in files if path.is_file()}
    for name, entry in read_claims(root).items():
        if name in literals:
            found[f"claim {name}"] = _hash(json.dumps(entry, sort_keys=True, default=str))
    given = {"parameters": sorted((parameters or {}).items()), **perturb.key()}
    return found | {name: _hash(repr(value)) for name, value in given.items() if value != []}


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Say which inputs have changed, as in "code cell 2 changed"."""
    names = [name for name in after if before.get(name) != after[name]]
    names += [name for name in before if name not in after]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} changed"


def _cell_hash(cell: NotebookNode) -> str:
    # Given parameters are put after the cell that sets them.
    return _hash(f"{sets_parameters(cell)} {syntax.executed(cell.source)}")


def reached_modules(src: Path, trees: Iterable[ast.Module]) -> list[Path]:
    """Find the files of every module below `src` that the code imports, directly or not, even in functions.

    A folder's files that are not Python (a style sheet, say) count with the modules beside them.
    """
    finder = ModuleFinder(path=[str(src)])
    script = finder.add_module("__main__")
    for tree in trees:
        finder.scan_code(_compiled(tree), script)
    modules = {Path(file) for module in finder.modules.values() if (file := getattr(module, "__file__", None))}
    beside = {
        path
        for folder in {module.parent for module in modules}
        for path in folder.iterdir()
        if path.is_file() and path.suffix not in {".py", ".pyc"} and not path.name.startswith(".")
    }
    return sorted(modules | beside)


def _compiled(tree: ast.Module) -> types.CodeType:
    # Top-level await is legal in a notebook.
    code: types.CodeType = compile(tree, "<chapter>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


def data_files(book: Path, literals: Iterable[str]) -> list[Path]:
    """Find the files below `book` that a string of the code names: by path, by folder, or by name when in `book/data`.

    Pages do not count, and neither do notes on where stored runs come from. A change in claims.yml counts only in
    entries that the code names.
    """
    by_name: dict[str, list[Path]] = {}
    for path in sorted((book / "data").rglob("*")):
        by_name.setdefault(path.name, []).append(path)
    found: set[Path] = set()
    for literal in literals:
        if not literal.strip("./\\ ") or len(literal) > 200 or "\n" in literal or "\0" in literal:
            continue
        found.update(by_name.get(literal, []))
        try:
            path = (book / literal).resolve()
            if path != book.resolve() and path.is_relative_to(book.resolve()) and path.exists():
                found.add(book / path.relative_to(book.resolve()))
        except (OSError, ValueError, RuntimeError):  # no path at all, or a circle of links
            continue
    files = {file for path in found for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()}
    apart = {book / "claims.yml", *(f for f in files if f.name == PROVENANCE)}
    return sorted(f for f in files - apart if f.suffix not in {".ipynb", ".md"})


def read_claims(root: Path) -> dict[str, Any]:
    """Read the entries of `book/claims.yml` by id; none where the book has no claims."""
    path = root / "book" / "claims.yml"
    if not path.is_file():
        return {}
    return dict(_entries(path, path.read_bytes()))


@functools.lru_cache(maxsize=8)
def _entries(path: Path, held: bytes) -> dict[str, Any]:  # what the file holds tells when to read again
    # Reading takes half a second, and every chapter's key asks for it.
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise PressError("book/claims.yml: expected a mapping from ids to claims")
    return {str(name): entry for name, entry in data.items()}


def _file_hash(path: Path) -> str:
    # Git may check text out with other line ends on Windows; the key is the same on every machine.
    held = path.read_bytes().replace(b"\r\n", b"\n")
    if path.suffix == ".py":
        try:
            return _hash(syntax.executed(held.decode("utf-8")))
        except UnicodeDecodeError:
            pass
    return hashlib.sha256(held).hexdigest()[:16]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
