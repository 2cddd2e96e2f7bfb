"""Hash the behavior of a function: its code as it is loaded, and all that it finds in its modules.

Functions, classes and values of the laboratory and of the user's modules are followed from name to name. Other packages
are not followed; the versions of numpy, scipy, torch and numba count.
"""

import contextlib
import functools
import hashlib
import importlib
import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType, UnionType
from typing import Any, TypeVar

import numpy as np
import torch

from poly.sweep import code_objects
from poly.sweep.code_objects import home, is_own, is_own_code, is_own_module

_PLAIN = (bool, int, float, complex, str, bytes, np.generic, Path, range, slice)
_NAMED = (torch.dtype, torch.device, np.dtype, re.Pattern, UnionType, TypeVar)
# Their releases change last digits, and sometimes more.
_NUMERICAL = ("numpy", "scipy", "torch", "numba")
Parts = dict[str, str]
# The checks of this process: for each hash and code, the modules as they were loaded then.
_checked: dict[tuple[str, Any], list[Any]] = {}


class OtherCodeError(RuntimeError):
    """A process has loaded other code than the process that sends it a function to run."""


def code_hash(run: Callable[..., Any], *, strict: bool = True) -> str:
    """Hash the code that ``run`` executes, as it is loaded now: its own modules' and the laboratory's.

    The versions of numpy, scipy, torch and numba count, too. Other packages are taken as they are. A module that is
    imported by a name that the code computes is not found.

    Args:
        run: a function.
        strict: False: of a value without content to compare, such as a logger, only the type counts.

    Raises:
        ValueError: with ``strict``, a ``run`` that finds such a value in its module.
    """
    return combined_hash(code_parts(run, strict=strict))


def code_parts(run: Callable[..., Any], *besides: Callable[..., Any], strict: bool = True) -> Parts:
    """Hash each module that ``run`` may reach, by its name; "" stands for ``run`` itself.

    Args:
        run: a function.
        besides: others that count, too.
        strict: as for ``code_hash``.

    Raises:
        ValueError: with ``strict``, a ``run`` that finds a value in its module that has no content to compare.
    """
    walk = _Walk(home(code_objects.function_of(run)), strict=strict)
    versions = [metadata.version(name) for name in _NUMERICAL]
    found: dict[str, list[Any]] = {"": [versions, *walk.content(run, strict=True)]}
    for other in besides:
        found[""].extend(walk.content(other, strict=False))
    while walk.todo:
        thing = walk.todo.popleft()
        found.setdefault(home(thing), []).extend(walk.inside(thing))
    return {module: hashlib.sha256(repr(part).encode()).hexdigest() for module, part in sorted(found.items())}


def combined_hash(parts: Parts) -> str:
    """Return one hash of all parts."""
    return hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()


def importable(run: Callable[..., Any]) -> None:
    """Check that a function can be imported by its name; raise ValueError otherwise.

    Raises:
        ValueError: a lambda, a function within a function, one with arguments filled in, or a method.
    """
    if code_objects.find(code_objects.full_name(run)) is not run:
        raise ValueError(f"run={run!r}: must be a function at the top of a module, which can be imported, for a store")


def mark_checked(run: Callable[..., Any], parts: Parts) -> None:
    """Mark ``run`` as checked: this process has the code that ``parts`` describe, until a module is reloaded."""
    if len(_checked) > 10**4:
        _checked.clear()
    _checked[_called(run, parts)] = _loaded(parts)


def check_same_code(run: Callable[..., Any], parts: Parts, *besides: Callable[..., Any]) -> None:
    """Check, once for each process, that it has loaded the same code of ``run`` as the process that made ``parts``.

    Raises:
        OtherCodeError: the code differs.
    """
    known, loaded = _checked.get(_called(run, parts)), _loaded(parts)
    if known is not None and all(one is other for one, other in zip(known, loaded, strict=True)):
        return
    found = code_parts(run, *besides)
    differ = [name or "run" for name in sorted(parts | found) if parts.get(name) != found.get(name)]
    if differ:
        raise OtherCodeError(
            f"{', '.join(differ[:3])}: not the same in the process that runs it as in the one that asked, as after an "
            "edit; restart Python, or reload it and start a new executor"
        )
    mark_checked(run, parts)


def _called(run: Callable[..., Any], parts: Parts) -> tuple[str, Any]:
    found = code_objects.function_of(run)
    return combined_hash(parts), getattr(found, "__code__", found)


def _loaded(parts: Parts) -> list[Any]:
    """Return objects that change when a module is reloaded."""
    return [getattr(sys.modules.get(module), "__spec__", None) for module in parts]


class _Walk:
    """All objects that a run may reach, each once; ``todo`` holds the functions and classes to inspect."""

    def __init__(self, start: str, *, strict: bool) -> None:
        self.start, self.strict = start, strict
        self.todo: deque[Any] = deque()
        # The value is stored, so that no other object gets its id.
        self.seen: dict[int, tuple[str, Any]] = {}

    def content(self, value: Any, strict: bool) -> Iterator[Any]:
        """Yield plain values whose reprs identify a value and all that it holds.

        Raises:
            ValueError: where ``strict``, a value without content to compare.
        """
        yield type(value).__qualname__
        if value is None or value is ... or isinstance(value, _PLAIN):
            yield value
        elif isinstance(value, _NAMED) or hasattr(value, "__origin__"):
            yield str(value)
        elif isinstance(value, CodeType):
            yield code_objects.plain(value)
        elif id(value) in self.seen:
            yield self.seen[id(value)][0]  # the label of the first occurrence
        elif is_own_code(value):
            yield self._noted(value, f"{home(value)}.{value.__qualname__}")
            self.todo.append(value)
        else:
            self._noted(value, "")
            if is_own_code(type(value)):
                yield from self.content(type(value), strict)
            parts = _parts(value)
            if parts is None and strict and self.strict:
                raise ValueError(f"run: finds {value!r}, must find numbers, words, arrays or functions for a store")
            for part in parts or ():
                yield from self.content(part, strict)

    def inside(self, thing: Any) -> Iterator[Any]:
        """Yield the behavior of a function or a class of the laboratory or the user."""
        yield self.seen[id(thing)][0]
        for part, strict in self._of_function(thing) if isinstance(thing, FunctionType) else self._of_class(thing):
            yield from self.content(part, strict)

    def _noted(self, value: Any, name: str) -> str:
        label = f"{name} #{len(self.seen)}"
        self.seen[id(value)] = label, value
        return label

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
        """Yield what a class body defines, without the additions of Python and decorators."""
        yield found.__bases__, False
        for name, value in sorted(vars(found).items()):
            inner = value.__func__ if isinstance(value, staticmethod | classmethod) else value
            if not (name.startswith("__") and getattr(inner, "__module__", None) != found.__module__):
                yield name, False
                yield value, False


def _parts(value: Any) -> list[Any] | None:  # noqa: PLR0911  # one line for each kind of thing
    """Return the contents of a container, an array, a wrapper or a user's object; None if they cannot be known."""
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy(), *value.shape]
    if isinstance(value, np.ndarray):
        held = value.tolist() if value.dtype.hasobject else hashlib.sha256(value.tobytes()).hexdigest()
        return [value.dtype.str, str(value.shape), held]
    if isinstance(value, Mapping):
        return [len(value), *(part for item in value.items() for part in item)]
    if isinstance(value, set | frozenset):
        return [len(value), *sorted(value, key=lambda item: getattr(item, "__qualname__", None) or repr(item))]
    if isinstance(value, tuple | list):
        return [len(value), *value]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, FunctionType):  # another package's, perhaps around the user's
        cells = [cell for cell in _cells(value) if is_own_code(cell)]
        return [f"{value.__module__}.{value.__qualname__}", *cells, getattr(value, "__wrapped__", None)]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    inner = getattr(value, "py_func", None) or getattr(value, "__wrapped__", None)  # compiled by numba; cached
    if inner is not None:
        return [inner]
    if isinstance(value, type | ModuleType | BuiltinFunctionType | np.ufunc):
        return [f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"]
    if is_own_code(type(value)) and hasattr(value, "__dict__"):
        return [vars(value)]
    return None


def _cells(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet
            yield cell.cell_contents


def _members(module: ModuleType, names: frozenset[str], on_the_way: set[str]) -> Iterator[Any]:
    """Yield the objects of a user's module that code with these names refers to; all if it refers to none."""
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
    """Import and yield the user's modules that the code imports when it runs."""
    for level, name, names in code_objects.imports_of(code):
        above = package.rsplit(".", level - 1)[0] if level else ""
        base = ".".join(part for part in (above, name) if part)
        if is_own(base):
            for module in (base, *(f"{base}.{each}" for each in names)):
                with contextlib.suppress(Exception):  # no module, or an import that fails in the run, too
                    yield importlib.import_module(module)
