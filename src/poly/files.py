"""Write files whole or not at all."""

from pathlib import Path
from uuid import uuid4


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file in one step, by way of a draft beside it, which is on the same disk for certain.

    Args:
        path: of the file, in a folder that exists. The draft is called ``path``.HEX.tmp; a process that is killed while
            it writes leaves it behind.
        content: bytes, or a text, which is written in UTF-8 with its line ends as they are.

    Raises:
        OSError: what the system refuses; then the file is as it was.
    """
    draft = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        draft.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
