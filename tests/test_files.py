"""Files are written whole or not at all."""

from pathlib import Path

import pytest

from poly.files import atomic_write


def test_texts_and_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", "λ\r\nμ\n")
    assert (tmp_path / "a").read_bytes() == "λ\r\nμ\n".encode()
    atomic_write(tmp_path / "a", b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_written_leaves_the_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    atomic_write(tmp_path / "a", "before")

    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:3])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(tmp_path / "a", "after that")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "before"


def test_a_text_that_is_none_leaves_the_file(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", "before")
    with pytest.raises(UnicodeEncodeError):
        atomic_write(tmp_path / "a", "\ud800")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
