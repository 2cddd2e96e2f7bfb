"""The key of a chapter: one hash over all that its outputs depend on.

Equal keys mean that nothing has to run again. The Python version is not in it, as no number hangs on it; the build's
cache asks for the same minor version besides.
"""

import ast
import hashlib
import json
import types
from collections.abc import Iterable, Mapping
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from poly import perturb
from poly.press.chapters import PressError, read_yaml


def chapter_key(root: Path, notebook: NotebookNode, parameters: Mapping[str, Any] | None = None) -> str:
    """SHA-256 over source, parameters, reached `poly` modules, data files, named claims and requirements.txt."""
    trees = _parsed(notebook)
    literals = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    files = [*reached_modules(root / "src", trees), *data_files(root / "book", literals), root / "requirements.txt"]
    parts = {
        "cells": [[c.cell_type, c.source, c.metadata.get("tags", [])] for c in notebook.cells],
        "parameters": repr(sorted((parameters or {}).items())),
        "files": {path.relative_to(root).as_posix(): _file_hash(path) for path in files if path.is_file()},
        "claims": {name: entry for name, entry in read_claims(root).items() if name in literals},
        **perturb.key(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _parsed(notebook: NotebookNode) -> list[ast.Module]:
    """The syntax trees of the code cells; a cell that does not parse is left for the kernel to complain about."""
    trees = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            trees.append(ast.parse(cell.source))
        except (SyntaxError, ValueError):  # the latter where it holds a null character
            try:
                trees.append(ast.parse(without_magics(cell.source)))
            except (SyntaxError, ValueError):
                continue
    return trees


def without_magics(source: str) -> str:
    """The source as Python alone understands it."""
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415  # rarely needed, slow to import

    return TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]


def reached_modules(src: Path, trees: Iterable[ast.Module]) -> list[Path]:
    """The files of every module below `src` that the code imports, directly or not, at the top or inside functions.

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
    """The files below `book` that a string of the code names: by path, by folder, or by name when in `book/data`.

    Pages do not count, and neither does claims.yml, of which only the named entries do.
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
    return sorted(f for f in files if f.suffix not in {".ipynb", ".md"} and f != book / "claims.yml")


def read_claims(root: Path) -> dict[str, Any]:
    """The entries of `book/claims.yml` by id; empty when the book has no claims."""
    path = root / "book" / "claims.yml"
    if not path.is_file():
        return {}
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise PressError("book/claims.yml: expected a mapping from ids to claims")
    return {str(name): entry for name, entry in data.items()}


def _file_hash(path: Path) -> str:
    # Git may check text out with other line ends on Windows; the key is the same on every machine.
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
