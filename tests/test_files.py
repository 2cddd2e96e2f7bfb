"""Files are written whole or not at all; arrays are read without pickles."""

from pathlib import Path

import numpy as np
import pytest

from poly.files import atomic_write, read_arrays


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


def test_arrays_are_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=np.ones(3), two=np.zeros(2), three=np.ones(1))
    found = read_arrays(tmp_path / "a.npz", ["one"], ["two", "four"])
    assert {name: len(values) for name, values in found.items()} == {"one": 3, "two": 2}


def test_what_is_no_file_of_arrays_is_refused_in_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=np.array([{}], object), two=np.ones(2000))
    (tmp_path / "text").write_text("no archive")
    for path, name, said in (
        (tmp_path / "none", "one", "is no file, must be an .npz file with the arrays one"),
        (tmp_path / "text", "one", "is damaged or no .npz file"),
        (tmp_path / "a.npz", "one", "one holds pickled objects, must hold plain numbers"),
        (tmp_path / "a.npz", "three", "has the arrays one, two, must have three"),
        (tmp_path, "one", "is no file"),
    ):
        with pytest.raises(ValueError, match=said) as error:
            read_arrays(path, [name])
        assert "\n" not in str(error.value)
