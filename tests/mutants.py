"""Automatic mutants of the laboratory: does a test notice?

    python tests/mutants.py                 all of MODULES
    python tests/mutants.py theory          one module
    python tests/mutants.py theory 12 40    single mutants, with the tests' output

A mutant is a module with one operator, constant, sign, comparison, condition or call changed. Its own test
file runs on it, in a forked process, to the first failure; a mutant that survives is printed. The list of
mutants depends on the source alone.
"""

import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).parent.parent
MODULES = ("model", "metrics", "metrics.gains", "metrics.selectivity", "theory", "sparsify")
PROCESSES = 2
SECONDS = 40  # of computing, four times what the tests take; a mutant that takes more does not end, and is caught

OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
}
# The neighbor, which differs at equality alone, and the opposite.
COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
NAMES = {"max": "min", "min": "max", "maximum": "minimum", "ceil": "floor", "all": "any", "any": "all"}
NAMES |= {"expm1": "exp", "log1p": "log", "zeros": "ones", "zeros_like": "ones_like", "argmax": "argmin"}


def changes(node: ast.AST) -> Iterator[ast.AST]:  # noqa: PLR0912
    """Yield every mutant of this one node."""
    match node:
        case ast.BinOp() | ast.AugAssign() if type(node.op) in OPERATORS:
            yield _with(node, op=OPERATORS[type(node.op)]())
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for other in COMPARISONS[type(op)]:
                    yield _with(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])
        case ast.BoolOp():
            yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield from (ast.Constant(value + 1), ast.Constant(value - 1))
        case ast.Constant(value=float(value)):
            yield from (ast.Constant(value + 1), ast.Constant(-value if value else -1.0))
        case ast.If() | ast.While() | ast.IfExp() if not isinstance(node.test, ast.Compare | ast.Constant):
            yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.Name(id=name) if name in NAMES:
            yield _with(node, id=NAMES[name])
        case ast.Attribute(attr=name) if name in NAMES:
            yield _with(node, attr=NAMES[name])
    if isinstance(node, ast.AugAssign) and type(node.op) in OPERATORS:
        yield ast.Pass()


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield (parent, field, index, child) for every node below this one, except in annotations and decorators."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list"}:
            continue
        children: Sequence[object] = value if isinstance(value, list) else [value]
        for i, child in enumerate(children):
            if isinstance(child, ast.AST):
                yield node, field, i if isinstance(value, list) else None, child
                yield from places(child)


def mutants(source: str) -> Iterator[tuple[int, str, str, ast.Module]]:
    """Yield (line, before, after, tree) of each mutant in the order of the source; the next one changes the tree."""
    tree = ast.parse(source)
    for parent, field, i, child in list(places(tree)):
        for changed in changes(child):
            before, after = (ast.unparse(node).splitlines()[0] for node in (child, changed))
            new = ast.fix_missing_locations(ast.copy_location(changed, child))
            siblings = getattr(parent, field)
            if i is None:
                setattr(parent, field, new)
            else:
                siblings[i] = new
            yield getattr(child, "lineno", 0), before, after, tree
            if i is None:
                setattr(parent, field, child)
            else:
                siblings[i] = child


def source_of(module: str) -> Path:
    """Return the file of a module, or ``__init__.py`` of a package."""
    path = ROOT.joinpath("src", "poly", *module.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"


class Mutant(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """A finder and loader that gives the changed code to every import of the module."""

    def __init__(self, module: str, code: CodeType) -> None:
        self.name, self.code, self.path = f"poly.{module}", code, source_of(module)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        if self.path.name == "__init__.py":
            module.__path__ = [str(self.path.parent)]
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType:
        return self.code

    def get_source(self, fullname: str) -> None:
        return None


def run(module: str, code: CodeType, *, loud: bool = False) -> None:
    """Run the module's tests on this code, and end this process with pytest's status."""
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.meta_path.insert(0, Mutant(module, code))
    options = ["-x", "-q", "--tb=short" if loud else "--tb=no", "-W", "ignore", "-o", "addopts="]
    options += ["-p", "no:cacheprovider", "-p", "no:nbval", "-p", "no:xdist"]
    with open(os.devnull, "w") as nowhere, contextlib.ExitStack() as quiet:  # noqa: PTH123
        if not loud:
            quiet.enter_context(contextlib.redirect_stdout(nowhere))
            quiet.enter_context(contextlib.redirect_stderr(nowhere))
        status = pytest.main([*options, *map(str, (ROOT / "tests").rglob(f"test_{module.rpartition('.')[2]}*.py"))])
    os._exit(int(status))


def survivors(module: str, only: Sequence[int] = ()) -> tuple[int, list[str]]:
    """Return the number of mutants, and those that no test noticed."""
    path = source_of(module).name
    source = source_of(module).read_text(encoding="utf-8")
    found = [
        (f"{path}:{line}  [{k}]  {before}  →  {after}", compile(tree, path, "exec"))
        for k, (line, before, after, tree) in enumerate(mutants(source))
        if not only or k in only
    ]
    fork = multiprocessing.get_context("fork")
    itself = "the module as it is"
    waiting = [(itself, compile(source, path, "exec")), *found]
    running: dict[multiprocessing.process.BaseProcess, str] = {}
    alive = []
    while waiting or running:
        while waiting and len(running) < PROCESSES:
            name, code = waiting.pop(0)
            process: multiprocessing.process.BaseProcess = fork.Process(
                target=run, args=(module, code), kwargs={"loud": bool(only)}
            )
            process.start()
            running[process] = name
        for process, name in list(running.items()):
            if not process.is_alive():
                del running[process]
                if name == itself and process.exitcode != 0:
                    raise SystemExit(f"{module}: its tests fail without any mutant")
                if name != itself and process.exitcode == 0:
                    alive.append(name)
                    print(name, flush=True)
        time.sleep(0.02)
    return len(found), alive


def main(arguments: Sequence[str]) -> None:
    """Print the survivors and the score of every module."""
    # Compiled code would not see the mutant, and array types would be checked instead of behavior.
    os.environ |= {"NUMBA_DISABLE_JIT": "1", "POLY_MUTATED": "1", "OMP_NUM_THREADS": "1"}
    # What every fork would import again.
    import hypothesis.internal.conjecture.engine
    import hypothesis.strategies  # noqa: F401
    import jaxtyping  # noqa: F401
    import numba  # noqa: F401
    import pytest  # noqa: F401
    import scipy.integrate
    import scipy.stats  # noqa: F401
    import torch

    torch.set_num_threads(1)
    for module in arguments[:1] or MODULES:
        total, alive = survivors(module, [int(k) for k in arguments[1:]])
        print(f"{module}: {total - len(alive)} of {total} mutants caught, {1 - len(alive) / total:.1%}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
