"""A hash of what a function does: of its code as it is loaded and of all that it is bound to.

Followed are functions, classes and values of the laboratory and of one's own modules, from name to name. Other packages
are taken as they are. A leaf module but for ``code_objects``.
"""

import contextlib
import copyreg
import enum
import functools
import hashlib
import importlib
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType, UnionType
from typing import Any, TypeVar

import numpy as np
import torch

from poly.sweep import code_objects
from poly.sweep.code_objects import home, is_own, is_own_code, is_own_module

_PLAIN = (bool, int, float, complex, str, bytes, np.generic, Path, range, slice)
_NAMED = (torch.dtype, torch.device, np.dtype, re.Pattern, UnionType, TypeVar)
# Their releases change last digits, and once in a while more.
_NUMERICAL = ("numpy", "scipy", "torch", "numba")
Parts = dict[str, str]
# What has been checked in this process: for each hash and code, the modules as they were loaded then.
_checked: dict[tuple[str, Any], list[Any]] = {}


class OtherCodeError(RuntimeError):
    """A process has loaded other code than the one that asks it to run something."""


def code_hash(run: Callable[..., Any]) -> str:
    """Of what ``run`` does as it is loaded now, as far as its own modules and the laboratory go.

    Of numpy, scipy, torch and numba the versions count; other packages are taken as they are.

    Raises:
        ValueError: a ``run`` that is bound to what has no content to compare.
    """
    return whole(code_parts(run))


def code_parts(run: Callable[..., Any], *besides: Callable[..., Any]) -> Parts:
    """A digest of what ``run`` does for each module that it may reach, and "" for what it is bound to.

    Args:
        run: a function.
        besides: others that count, too.

    Raises:
        ValueError: a ``run`` that is bound to what has no content to compare.
    """
    walk = _Walk(home(code_objects.function_of(run)))
    versions = [metadata.version(name) for name in _NUMERICAL]
    found: dict[str, list[Any]] = {"": [versions, *walk.content(run, strict=True)]}
    for other in besides:
        found[""].extend(walk.content(other, strict=False))
    while walk.todo:
        thing = walk.todo.popleft()
        found.setdefault(home(thing), []).extend(walk.inside(thing))
    return {module: hashlib.sha256(repr(part).encode()).hexdigest() for module, part in sorted(found.items())}


def whole(parts: Parts) -> str:
    """One digest of all."""
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()


def trust(run: Callable[..., Any], parts: Parts) -> None:
    """Take ``parts`` for what ``run`` does in this process, for as long as no module is loaded again."""
    if len(_checked) > 10**4:
        _checked.clear()
    _checked[_called(run, parts)] = _loaded(parts)


def check(run: Callable[..., Any], parts: Parts, *besides: Callable[..., Any]) -> None:
    """Make sure that ``run`` does here what it does where ``parts`` come from; it is looked at once in a process.

    Raises:
        OtherCodeError: it does not.
    """
    known, loaded = _checked.get(_called(run, parts)), _loaded(parts)
    if known is not None and all(one is other for one, other in zip(known, loaded, strict=True)):
        return
    found = code_parts(run, *besides)
    differ = [name or "what run is bound to" for name in sorted(parts | found) if parts.get(name) != found.get(name)]
    if differ:
        raise OtherCodeError(
            f"{', '.join(differ[:3])}: not the same in the process that runs it as in the one that asked, as after an "
            "edit; restart Python, or reload it and start a new executor"
        )
    trust(run, parts)


def _called(run: Callable[..., Any], parts: Parts) -> tuple[str, Any]:
    found = code_objects.function_of(run)
    return whole(parts), getattr(found, "__code__", found)


def _loaded(parts: Parts) -> list[Any]:
    """What tells a module from itself after it was loaded again."""
    return [getattr(sys.modules.get(module), "__spec__", None) for module in parts]


class _Walk:
    """Everything that a run may reach, each thing once; ``todo`` are the functions and classes to look into."""

    def __init__(self, start: str) -> None:
        self.start = start
        self.todo: deque[Any] = deque()
        # Kept, so that no other object gets its id.
        self.seen: dict[int, tuple[str, Any]] = {}

    def content(self, value: Any, strict: bool) -> Iterator[Any]:
        """Plain values whose reprs tell one value from another; what has no content is an error where ``strict``."""
        yield type(value).__qualname__
        if value is None or value is ... or isinstance(value, _PLAIN):
            yield value
        elif isinstance(value, _NAMED) or hasattr(value, "__origin__"):
            yield str(value)
        elif isinstance(value, CodeType):
            yield code_objects.plain(value)
        elif id(value) in self.seen:
            yield self.seen[id(value)][0]  # which one it is again
        elif is_own_code(value):
            yield self._noted(value, f"{home(value)}.{value.__qualname__}")
            self.todo.append(value)
        else:
            self._noted(value, "")
            if is_own_code(type(value)):
                yield from self.content(type(value), strict)
            for part in _of_data(value) or self._of_object(value, strict):
                yield from self.content(part, strict)

    def inside(self, thing: Any) -> Iterator[Any]:
        """What a function or a class of one's own does."""
        yield self.seen[id(thing)][0]
        for part, strict in self._of_function(thing) if isinstance(thing, FunctionType) else self._of_class(thing):
            yield from self.content(part, strict)

    def _noted(self, value: Any, name: str) -> str:
        label = f"{name} #{len(self.seen)}"
        self.seen[id(value)] = label, value
        return label

    def _of_object(self, value: Any, strict: bool) -> list[Any]:  # noqa: PLR0912  # one branch for each kind of thing
        """What a function of another package, a module, or an object with attributes does."""
        if isinstance(value, functools.partial):
            found = [value.func, value.args, value.keywords]
        elif isinstance(value, MethodType):
            found = [value.__self__, value.__func__]
        elif isinstance(value, FunctionType):  # another package's, perhaps around one's own
            cells = [cell for cell in _cells(value) if is_own_code(cell)]
            found = [f"{value.__module__}.{value.__qualname__}", *cells, getattr(value, "__wrapped__", None)]
        elif isinstance(value, type):
            found = [f"{value.__module__}.{value.__qualname__}"]
        elif isinstance(value, property):
            found = [value.fget, value.fset, value.fdel]
        elif isinstance(value, staticmethod | classmethod):
            found = [value.__func__]
        elif isinstance(value, enum.Enum):
            found = [type(value), value.name]
        elif hasattr(value, "py_func"):  # compiled by numba
            found = [value.py_func]
        elif hasattr(value, "__wrapped__"):  # cached, or decorated otherwise
            found = [value.__wrapped__]
        elif isinstance(value, functools.cached_property):
            found = [value.func]
        elif isinstance(value, ModuleType) or (isinstance(value, np.ufunc) and "vectorized" not in value.__name__):
            found = [value.__name__]
        elif hasattr(value, "__qualname__") and not isinstance(value, np.ufunc):  # a builtin, perhaps bound to an owner
            owner = getattr(value, "__self__", None)
            found = [value.__qualname__, *([] if owner is None or isinstance(owner, ModuleType) else [owner])]
        elif _is_plain(value):
            found = [type(value), vars(value)]
        elif strict:
            raise ValueError(
                f"run: is bound to {value!r}, must be bound to numbers, words, arrays or functions for a store"
            )
        else:
            found = []
        return found

    def _of_function(self, function: FunctionType) -> Iterator[tuple[Any, bool]]:
        code, strict = function.__code__, home(function) == self.start
        for part in (code, function.__defaults__, function.__kwdefaults__, *_cells(function)):
            yield part, strict
        names = code_objects.names_of(code)
        for name in code_objects.globals_of(code):
            found: Any = function.__globals__.get(name)
            yield name, strict
            if is_own_module(found):
                for part in _members(found, names, set()):
                    yield part, False
            else:
                yield found, strict
        for module in _imported(code, str(function.__globals__.get("__package__") or "")):
            for part in _members(module, names, set()):
                yield part, False

    def _of_class(self, found: type) -> Iterator[tuple[Any, bool]]:
        """A class by what its body defines; what Python and its decorators add by themselves is of no account."""
        yield found.__bases__, False
        for name, value in sorted(vars(found).items()):
            inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if not (name.startswith("__") and getattr(inner, "__module__", None) != found.__module__):
                yield name, False
                yield value, False


def _of_data(value: Any) -> list[Any]:
    """What a container or an array holds, its length first; nothing for anything else."""
    if isinstance(value, torch.Tensor):
        return _of_tensor(value)
    if isinstance(value, np.ma.MaskedArray):
        return [np.asarray(value.data), np.asarray(value.mask)]
    if isinstance(value, np.ndarray):
        whole = (
            value.tolist()
            if value.dtype.hasobject
            else hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        )
        return [value.dtype.str, str(value.shape), whole]
    if isinstance(value, Mapping):
        return [len(value), *(part for item in value.items() for part in item)]
    if isinstance(value, set | frozenset):
        value = sorted(value, key=lambda item: getattr(item, "__qualname__", None) or repr(item))
    return [len(value), *value] if isinstance(value, tuple | list) else []


def _of_tensor(value: torch.Tensor) -> list[Any]:
    """Of any number type, dense or sparse; one on the device "meta" holds nothing."""
    try:
        dense = value.detach().to_dense() if value.layout is not torch.strided else value.detach()
        held = dense.cpu().resolve_conj().resolve_neg().contiguous().flatten().view(torch.uint8).numpy()
    except (RuntimeError, TypeError, NotImplementedError):
        kind = f"a tensor of {value.dtype} on {value.device}"
        raise ValueError(f"run: is bound to {kind}, must be bound to one that holds numbers for a store") from None
    return [str(value.dtype), str(value.layout), str(tuple(value.shape)), held]


def _cells(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet
            yield cell.cell_contents


def _is_plain(value: Any) -> bool:
    """Whether the object is its class and its ``__dict__``; those that inherit from C may hold more than that."""
    if isinstance(value, np.ufunc) or not hasattr(value, "__dict__"):
        return False
    try:
        made_by, *how = value.__reduce_ex__(2)
    except (TypeError, ValueError, AttributeError):
        return False
    return made_by is copyreg.__newobj__ and how[0] == (type(value),) and not any(how[2:])  # type: ignore[attr-defined]


def _members(module: ModuleType, names: frozenset[str], on_the_way: set[str]) -> Iterator[Any]:
    """What code with these names finds in a module of one's own; all that is there if it asks for nothing by name."""
    on_the_way.add(module.__name__)
    held = vars(module)
    asked = sorted(names & held.keys()) or sorted(name for name in held if not name.startswith("__"))
    for name in asked:
        value = held[name]
        if not isinstance(value, ModuleType):
            yield f"{module.__name__}.{name}"
            yield value
        elif is_own_module(value) and value.__name__ not in on_the_way:
            yield from _members(value, names, on_the_way)


def _imported(code: CodeType, package: str) -> Iterator[ModuleType]:
    """Modules of one's own that the code imports when it runs; they are imported now."""
    for level, name, names in code_objects.imports_of(code):
        above = package.rsplit(".", level - 1)[0] if level else ""
        base = ".".join(part for part in (above, name) if part)
        if is_own(base):
            for module in (base, *(f"{base}.{each}" for each in names)):
                with contextlib.suppress(Exception):  # a name that is no module, or what fails in the run, too
                    yield importlib.import_module(module)
