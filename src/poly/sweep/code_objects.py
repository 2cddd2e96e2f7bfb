"""Inspect code objects: the module that a function comes from, and the names that it looks up."""

import dis
import functools
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

# The attributes that determine the behavior of a code object; positions in its source do not.
_CODE = (
    *("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_exceptiontable"),
)
_LOOKS_UP = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_INSTALLED = {"site-packages", "dist-packages"}


def plain(value: Any) -> Any:
    """Convert a code object, or a constant of one, to a plain value, so that equal code has equal reprs.

    The source is not used: two lambdas may share it, a prompt may lack it, and an editor may have changed it.
    """
    if isinstance(value, CodeType):
        return (plain(_constants(value)), *(plain(getattr(value, name)) for name in _CODE))
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(plain(item)) for item in value)
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


@functools.lru_cache(maxsize=4096)
def _constants(code: CodeType) -> tuple[Any, ...]:
    """Return the constants of a code object without its docstring, which has no effect."""
    first, *others = code.co_consts or (None,)
    # The first constant of a function is its docstring or None; comprehensions have neither. The body may use it, too.
    function = bool(code.co_flags & inspect.CO_OPTIMIZED) and not code.co_name.startswith("<")
    used = any(step.opname == "LOAD_CONST" and step.arg == 0 for step in dis.get_instructions(code))
    return (None, *others) if function and isinstance(first, str) and not used else code.co_consts


@functools.lru_cache(maxsize=4096)
def globals_of(code: CodeType) -> tuple[str, ...]:
    """Return all names that the code, or code inside it, looks up outside of itself."""
    names = {step.argval for part in _parts(code) for step in dis.get_instructions(part) if step.opname in _LOOKS_UP}
    return tuple(sorted(names))


@functools.lru_cache(maxsize=4096)
def names_of(code: CodeType) -> frozenset[str]:
    """Return all names in the code or in code inside it: globals, attributes, and imports."""
    return frozenset(name for part in _parts(code) for name in part.co_names)


@functools.lru_cache(maxsize=4096)
def imports_of(code: CodeType) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return the imports of the code when it runs: number of packages up, module, and names."""
    found = set()
    for part in _parts(code):
        steps = list(dis.get_instructions(part))
        for k, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                found.add((steps[k - 2].argval, step.argval, tuple(steps[k - 1].argval or ())))
    return tuple(sorted(found))


def _parts(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _parts(const)


def full_name(run: Callable[..., Any]) -> str:
    """Return the name by which a function is imported, such as ``poly.experiments.final_weights.train``."""
    return f"{getattr(run, '__module__', '')}.{getattr(run, '__qualname__', '')}"


def find(name: str) -> Callable[..., Any] | None:
    """Import a function by its full name; None if there is none of this name."""
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if callable(found) else None


def function_of(run: Any) -> Any:
    """Return the Python function inside a compiled, cached or partly applied one."""
    while not isinstance(run, FunctionType | type):
        inner = getattr(run, "py_func", None) or getattr(run, "__wrapped__", None) or getattr(run, "func", None)
        if inner is None:
            return type(run)
        run = inner
    return run


def home(value: Any) -> str:
    """Return the module whose names a function sees, or that defines a class; decorators change neither."""
    found = value.__globals__.get("__name__") if isinstance(value, FunctionType) else getattr(value, "__module__", None)
    return "__main__" if found == "__mp_main__" else str(found or "")  # a new process gives the script this name


def is_own(module: str) -> bool:
    """Return whether a module belongs to the laboratory or the user, not to Python or an installed package."""
    top = module.partition(".")[0]
    if top in (__name__.partition(".")[0], "__main__"):  # in another process the latter may be a package's
        return True
    if top in sys.stdlib_module_names:
        return False
    loaded: Any = sys.modules.get(module) or sys.modules.get(top)
    try:
        spec = getattr(loaded, "__spec__", None) or (util.find_spec(top) if top else None)
    except (ValueError, ImportError):
        spec = None
    folders = (spec.origin, *(spec.submodule_search_locations or ())) if spec else ()
    return not any(_is_installed(place) for place in (getattr(loaded, "__file__", None), *folders) if place)


@functools.lru_cache(maxsize=4096)
def _is_installed(place: str) -> bool:
    return bool(_INSTALLED & set(Path(place).parts))


def is_own_code(value: Any) -> bool:
    """Return whether a value is a function or a class of the laboratory or the user."""
    return isinstance(value, FunctionType | type) and is_own(home(value))


def is_own_module(value: Any) -> bool:
    """Return whether a value is a module of the laboratory or the user."""
    return isinstance(value, ModuleType) and is_own(value.__name__)
