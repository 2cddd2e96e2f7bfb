"""Compile functions with numba, and store the compiled code for other processes.

Numba alone raises an error where it can write neither beside the source nor into the user's cache. Needs no torch.
"""

import ast
import contextlib
import functools
import hashlib
import os
import pickle
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import caching as numba_caching

caching: Any = numba_caching  # numba has no types
_DAMAGE = (OSError, EOFError, pickle.UnpicklingError)


@functools.cache
def source_stamp(path: Path) -> str:
    """Hash the sources whose code a compiled function of this file may contain: its own, and all that it imports.

    Only sources of the laboratory are followed, from import to import.
    """
    found: set[Path] = set()
    todo = [path]
    while todo:
        source = todo.pop()
        if source not in found:
            found.add(source)
            todo += _imported(source)
    return hashlib.sha256(b"".join(source.read_bytes() for source in sorted(found))).hexdigest()


@functools.cache
def _imported(path: Path) -> list[Path]:
    """List the sources of the laboratory that a source imports by their absolute names."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    laboratory = Path(__file__).parent
    modules = [laboratory.parent.joinpath(*name.split(".")) for name in names if name.split(".")[0] == laboratory.name]
    files = [file for module in modules for file in (module.with_suffix(".py"), module / "__init__.py")]
    return [file for file in files if file.is_file()]


class _Stamped:
    """A folder for compiled code that is valid until a source changes whose code it may contain."""

    _py_file: str

    def get_source_stamp(self) -> str:
        """Return the hash that identifies these sources; numba's own stamp covers one file only."""
        return source_stamp(Path(self._py_file))


class _Given(_Stamped, caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """The folder that NUMBA_CACHE_DIR names."""


class _Beside(_Stamped, caching.InTreeCacheLocator):  # type: ignore[misc]
    """The folder __pycache__ beside the source."""


class _User(_Stamped, caching.UserWideCacheLocator):  # type: ignore[misc]
    """The user's cache, for users with a home directory; without one numba would make a folder named ~ here."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Return the folder for the function, or None if there is none."""
        try:
            Path.home()
        except RuntimeError:
            return None
        return super().from_function(py_func, py_file)


class _Temporary(_Stamped, caching.InTreeCacheLocator):  # type: ignore[misc]
    """The user's private folder for temporary files."""

    def __init__(self, py_func: Any, py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(private_folder() / self.get_suitable_cache_subpath(py_file))

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Return the folder for the function, or None if there is none."""
        try:
            return super().from_function(py_func, py_file)
        except OSError:
            return None


class _Places(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Given, _Beside, _User, _Temporary)


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, which ignores files that cannot be read or written."""

    _impl_class = _Places

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Read compiled code, or return None if there is none that can be used."""
        with contextlib.suppress(*_DAMAGE):
            return super().load_overload(sig, target_context)
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code if that is possible."""
        with contextlib.suppress(*_DAMAGE):
            super().save_overload(sig, data)


def njit(**options: Any) -> Callable[[Any], Any]:
    """Compile a function with ``numba.njit``, and store the compiled code for other processes where that is possible.

    The code is stored where numba stores it. If that folder cannot be written, a private temporary folder is used. If
    that cannot be written either, nothing is stored.

    Args:
        options: options of ``numba.njit``, except ``cache``.
    """

    def compiled(function: Any) -> Any:
        made = numba.njit(**options)(function)
        if hasattr(made, "enable_caching"):  # with NUMBA_DISABLE_JIT, numba returns the function itself
            with contextlib.suppress(RuntimeError):  # no folder can be written
                made._cache = _Cache(function)
        return made

    return compiled


def private_folder() -> Path:
    """Return this user's own folder for temporary files, and make it if necessary.

    Only the user may write to it, because its files are executed.

    Raises:
        OSError: the folder cannot be made, or others can write to it.
    """
    posix = os.name == "posix"
    folder = Path(tempfile.gettempdir()) / f"poly-numba-{os.getuid() if posix else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (posix and (found.st_uid != os.getuid() or found.st_mode & 0o077)):
        raise PermissionError(f"{folder}: others can write to it")
    return folder
