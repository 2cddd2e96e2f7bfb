"""A hash of what a function does: of its code as it is loaded and of all that it is bound to. A leaf module."""

import ast
import contextlib
import copyreg
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch

_PLAIN = (bool, int, float, complex, str, bytes, np.generic, Path, range)
# What decides what a code object does; positions in its source do not.
_CODE = (
    *("co_code", "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_exceptiontable"),
)
# As it was when it was imported: who edits it meanwhile still runs the old one.
_LABORATORY = {path.stem: path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))}
# Their releases change last digits, and once in a while more.
_NUMERICAL = ("numpy", "scipy", "torch", "numba")


def code_hash(run: Callable[..., Any]) -> str:
    """Of what ``run`` does as it is loaded now, as far as its own module and the laboratory go.

    A function of the laboratory is its module and all that this imports; any other may reach the whole laboratory.

    Of numpy, scipy, torch and numba the versions count; other packages are taken as they are.

    Raises:
        ValueError: a ``run`` that is bound to what has no content to compare.
    """
    digest = hashlib.sha256(repr(_laboratory(run)).encode())
    digest.update(repr([metadata.version(name) for name in _NUMERICAL]).encode())
    for part in _content(run, {}):
        digest.update(repr(part).encode())
    return digest.hexdigest()


def _laboratory(run: Callable[..., Any]) -> list[tuple[str, str]]:
    """The sources that count: for a function of the laboratory all that its module imports, else the whole of it."""
    package, _, name = (getattr(run, "__module__", None) or "").rpartition(".")
    if package != __name__.partition(".")[0] or name not in _LABORATORY:
        return sorted(_LABORATORY.items())
    reached, todo = set(), {name}
    while todo:
        module = todo.pop()
        reached.add(module)
        todo |= _imports(_LABORATORY[module]) & set(_LABORATORY) - reached
    return [(module, _LABORATORY[module]) for module in sorted(reached)]


@functools.cache
def _imports(source: str) -> set[str]:
    """All names that the source imports, or imports from, at the top or inside functions, without their package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name.rpartition(".")[2] for alias in node.names}
            found.add((getattr(node, "module", "") or "").rpartition(".")[2])
    return found


def _content(value: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """Plain values whose reprs tell one value from another: what a function does and all that it is bound to."""
    yield type(value).__qualname__
    if value is None or value is ... or isinstance(value, _PLAIN):
        yield value
        return
    if id(value) in seen:
        yield list(seen).index(id(value))  # which one it is again
        return
    seen[id(value)] = value  # kept, so that no other object gets its id
    for part in _of_data(value) or _of_code(value):
        yield from _content(part, seen)


def _of_data(value: Any) -> list[Any]:
    """What a container or an array holds, its length first; nothing for anything else."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ma.MaskedArray):
        return [np.asarray(value.data), np.asarray(value.mask)]
    if isinstance(value, np.ndarray):
        whole = value.tolist() if value.dtype.hasobject else np.ascontiguousarray(value).tobytes()
        return [value.dtype.str, str(value.shape), whole]
    if isinstance(value, Mapping):
        return [len(value), *(part for item in value.items() for part in item)]
    if isinstance(value, tuple | list):
        return [len(value), *value]
    if isinstance(value, set | frozenset):
        return [len(value), *sorted(value, key=repr)]
    return []


def _of_code(value: Any) -> list[Any]:  # one branch for each kind of thing
    """What a function, a class, a module, or an object with attributes does."""
    if isinstance(value, functools.partial):
        found = [value.func, value.args, value.keywords]
    elif isinstance(value, MethodType):
        found = [value.__self__, value.__func__]
    elif isinstance(value, FunctionType):
        found = list(_of_function(value))
    elif isinstance(value, CodeType):
        # As it runs: not its source, which two lambdas may share, a prompt may lack, and an editor may have changed.
        found = [getattr(value, name) for name in _CODE]
    elif isinstance(value, type):
        found = list(_of_class(value))
    elif isinstance(value, property):
        found = [value.fget, value.fset, value.fdel]
    elif hasattr(value, "py_func"):  # compiled by numba
        found = [value.py_func]
    elif hasattr(value, "__wrapped__"):  # cached, or decorated otherwise
        found = [value.__wrapped__]
    elif isinstance(value, ModuleType) or (isinstance(value, np.ufunc) and "vectorized" not in value.__name__):
        found = [value.__name__]
    elif hasattr(value, "__qualname__") and not isinstance(
        value, np.ufunc
    ):  # a builtin, perhaps bound to what it works on
        owner = getattr(value, "__self__", None)
        found = [value.__qualname__, *([] if owner is None or isinstance(owner, ModuleType) else [owner])]
    elif _is_plain(value):
        kind = type(value)
        own = kind.__module__.partition(".")[0] == __name__.partition(".")[0]  # the laboratory is in the hash as it is
        found = [kind.__qualname__ if own else kind, vars(value)]
    else:
        raise ValueError(
            f"run: is bound to {value!r}, must be bound to numbers, words, arrays or functions for a store"
        )
    return found


def _is_plain(value: Any) -> bool:
    """Whether the object is its class and its ``__dict__``; those that inherit from C may hold more than that."""
    if isinstance(value, np.ufunc) or not hasattr(value, "__dict__"):
        return False
    try:
        made_by, *how = value.__reduce_ex__(2)
    except (TypeError, ValueError, AttributeError):
        return False
    return made_by is copyreg.__newobj__ and how[0] == (type(value),) and not any(how[2:])  # type: ignore[attr-defined]


def _of_function(function: Any) -> Iterator[Any]:
    yield function.__code__
    yield function.__defaults__, function.__kwdefaults__
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet
            yield cell.cell_contents
    for name in sorted(_names(function.__code__)):
        yield name
        yield _named(function.__globals__.get(name), function.__module__)


def _of_class(found: type) -> Iterator[Any]:
    """A class by what its body defines; what Python and its decorators add by themselves is of no account."""
    yield found.__module__, found.__qualname__
    yield tuple(_named(base, found.__module__) for base in found.__bases__)
    for name, value in sorted(vars(found).items()):
        inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        known = isinstance(inner, (*_PLAIN, FunctionType, property, type, Mapping, tuple, list, np.ndarray))
        if known and not (name.startswith("__") and getattr(inner, "__module__", None) != found.__module__):
            yield name, _named(inner, found.__module__)


def _named(found: Any, module: str) -> Any:
    """The object, or only the name of a function or class of another module: other packages are taken as they are."""
    if hasattr(found, "__qualname__") and getattr(found, "__module__", None) not in (None, module):
        return f"{found.__module__}.{found.__qualname__}"
    return found


def _names(code: CodeType) -> set[str]:
    """All names that the code, or code inside it, looks up."""
    inner = [_names(const) for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*inner)
