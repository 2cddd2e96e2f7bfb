"""What make is told on its command line reaches the press word by word, and no shell reads it."""

import shutil
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder whose environment is up to date, and whose Python only writes down its arguments."""
    shutil.copy(HOME / "Makefile", tmp_path)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\n[ "$1" = install.py ] || printf \'%s\\n\' "$@" > called\n')
    python.chmod(0o755)
    (tmp_path / "m=10").touch()  # what m=1? would match, were it a pattern
    return tmp_path


def made(folder: Path, *words: str) -> list[str]:
    """Return the arguments with which make calls the press; fail if make leaves any other file."""
    before = {path.name for path in folder.iterdir()}
    subprocess.run(["make", *words], cwd=folder, capture_output=True, check=False)
    assert {path.name for path in folder.iterdir()} - before <= {"called"}
    called = (folder / "called").read_text().splitlines() if (folder / "called").exists() else []
    return called[2:] if called[:1] == ["-m"] else called[1:]


EVIL = [
    "1; touch evil",
    "1 && touch evil",
    "1 | touch evil",
    "$(touch evil)",
    "$$(touch evil)",
    "`touch evil`",
    "$(shell touch evil)",
    "1'; touch evil; '",
    '1"; touch evil; "',
    "1 > evil",
    "1 & touch evil #",
    "1\\",
    "1\ntouch evil",
    "1'\ntouch evil\n'",
    "$${IFS}",
    "*",
]
COMMANDS = {
    "PORT": ["serve"],
    "CHAPTER": ["chapter"],
    "PARAMS": ["chapter", "CHAPTER=3"],
    "CHAPTERS": ["record", "reproduce", "perturb"],
    "ARGS": ["book", "record", "test", "verify", "pdf", "zip", "notebook", "bench"],
}


@pytest.mark.parametrize("value", EVIL)
@pytest.mark.parametrize("variable", list(COMMANDS))
def test_no_command_hides_in_a_variable(folder: Path, variable: str, value: str) -> None:
    targets = [word for word in COMMANDS[variable] if "=" not in word]
    for target in targets:
        (folder / "called").unlink(missing_ok=True)
        said = made(folder, target, f"{variable}={value}", *(["CHAPTER=3"] if variable == "PARAMS" else []))
        if "\n" not in value and "$" not in value:
            shown = [value] if variable in ("PORT", "CHAPTER") else value.split()
            assert said[-len(shown) :] == shown


@pytest.mark.parametrize("value", [value for value in EVIL if value != "*"])
def test_no_command_hides_in_the_name_of_python(folder: Path, value: str) -> None:
    (folder / ".venv" / "bin" / "python").unlink()
    before = {path.name for path in folder.iterdir()}
    done = subprocess.run(
        ["make", "install", f"PYTHON={value}"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert {path.name for path in folder.iterdir()} == before


def test_words_stay_words(folder: Path) -> None:
    assert made(folder, "chapter", "CHAPTER=03 x", "PARAMS=m=1? widths=[1,2]  name=it's") == [
        "chapter", "--", "03 x", "m=1?", "widths=[1,2]", "name=it's",
    ]  # fmt: skip
    assert made(folder, "record", "CHAPTERS=02 03", "ARGS=--dry-run --jobs 2") == [
        "record", "02", "03", "--dry-run", "--jobs", "2",
    ]  # fmt: skip
    assert made(folder, "verify", "ARGS=--against claims.json") == ["verify", "--against", "claims.json"]
    assert made(folder, "serve") == ["serve", "--port", "8000"]
    assert made(folder, "book") == ["build"]


def test_a_chapter_must_be_named(folder: Path) -> None:
    done = subprocess.run(["make", "chapter"], cwd=folder, capture_output=True, text=True, check=False)
    assert "which chapter?" in done.stderr
    assert not (folder / "called").exists()
