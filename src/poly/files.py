"""Write files completely or not at all."""

from pathlib import Path
from uuid import uuid4


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
