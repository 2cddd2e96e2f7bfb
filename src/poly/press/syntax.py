"""Python code as it is executed: without comments, docstrings and layout."""

import ast
import functools


@functools.lru_cache(maxsize=4096)
def executed(source: str) -> str:
    """Return what Python makes of a source, as text; the source itself where it does not parse."""
    tree = parsed(source)
    return source if tree is None else ast.unparse(_without_docstrings(tree))


def parsed(source: str) -> ast.Module | None:
    """Parse a source, in which IPython's own commands may stand; None where that fails."""
    for read in (str, without_magics):
        try:
            return ast.parse(read(source))
        except (SyntaxError, ValueError):  # the latter where it holds a null character
            continue
    return None


def without_magics(source: str) -> str:
    """Return the source as Python alone understands it."""
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
