"""Reduce Python code to what is executed: without comments, docstrings and layout."""

import ast
import functools


@functools.lru_cache(maxsize=4096)
def executed(source: str) -> str:
    """Return the executed code of a source as text; the source itself if it does not parse."""
    tree = parsed(source)
    return source if tree is None else ast.unparse(_without_docstrings(tree))


def parsed(source: str) -> ast.Module | None:
    """Parse a source, which may hold IPython's own commands; return None if that fails."""
    for read in (str, without_magics):
        try:
            return ast.parse(read(source))
        except (SyntaxError, ValueError):  # a ValueError if it holds a null character
            continue
    return None


def without_magics(source: str) -> str:
    """Replace IPython's own commands in a source by plain Python."""
    from IPython.core.inputtransformer2 import TransformerManager  # noqa: PLC0415  # rarely needed, slow to import

    return TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                bare = len(node.body) == 1 and not isinstance(node, ast.Module)
                node.body[:1] = [ast.Pass()] if bare else []
    return tree
