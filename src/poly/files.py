"""Write files completely or not at all; read arrays from files that others made."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file in one step, through a draft beside it, which is always on the same disk.

    Args:
        path: the file, in a folder that exists. The draft is called ``path``.HEX.tmp; a process that is killed during
            the write leaves it behind.
        content: bytes, or a text, which is written in UTF-8 with its line ends unchanged.

    Raises:
        OSError: the system refuses the write; the file is then unchanged.
    """
    draft = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        draft.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_arrays(path: Path | str, needed: Sequence[str], optional: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Read arrays by their names from an ``.npz`` file. Pickles are refused, because reading one can run its code.

    Raises:
        ValueError: a file that is missing, damaged or no .npz file, lacks a needed array, or holds pickled objects.
    """
    path, names, found = Path(path), [*needed, *optional], {}
    if not path.is_file():
        raise ValueError(f"{path}: is no file, must be an .npz file with the arrays {', '.join(names)}")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: is damaged or no .npz file, must be one with the arrays {', '.join(names)}")
    try:
        with np.load(path, allow_pickle=False) as file:
            for name in needed:
                if name not in file.files:
                    has = ", ".join(file.files) or "none"
                    raise ValueError(f"{path}: has the arrays {has}, must have {', '.join(needed)}") from None
            for name in names:
                if name in file.files:
                    found[name] = _array(path, name, file)
    except (OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: is damaged ({error}), must be an .npz file") from None
    return found


def _array(path: Path, name: str, file: Any) -> NDArray[Any]:
    try:
        return np.asarray(file[name])
    except (ValueError, TypeError, AttributeError, NotImplementedError) as error:
        pickled = "pickle" in str(error) or "Object arrays" in str(error)
        said = "holds pickled objects" if pickled else f"is damaged ({error})"
        raise ValueError(f"{path}: {name} {said}, must hold plain numbers") from None
