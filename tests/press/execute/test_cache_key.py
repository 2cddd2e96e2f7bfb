from pathlib import Path

import pytest

from poly import perturb
from poly.press import chapters
from poly.press.check import stored_outputs
from poly.press.execute import cache_key
from small_book import chapter, edit, write

# Keys


def key_of(root: Path, name: str = "02-two") -> str:
    """Return the key of a chapter as it is on disk."""
    return cache_key.chapter_key(root, chapters.read_notebook(root / f"book/{name}.ipynb"))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("book/02-two.ipynb", '"parameters"', '"hide-input"'),
        ("src/poly/far.py", "- n", "- 1 * n"),
        ("src/poly/near.py", "3 * n", "4 * n"),  # imported by far, inside a function
        ("src/poly/__init__.py", "", "x = 1"),
        ("book/data/points.csv", "1", "2"),
        ("book/claims.yml", "second", "2nd"),
        ("requirements.txt", "papermill", "papermill==2"),
    ],
)
def test_the_key_changes_with(book: Path, file: str, old: str, new: str) -> None:
    before = key_of(book)
    edit(book / file, old, new)
    assert key_of(book) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("book/02-two.ipynb", '"execution_count": null', '"execution_count": 1'),
        ("book/02-two.ipynb", '"id": "cell-0"', '"id": "other"'),
        ("book/01-one.ipynb", "# One", "# First"),
        ("book/02-two.ipynb", "# Two", "# Second"),
        ("book/02-two.ipynb", "from poly import far", "# far from it\\nfrom poly import far  # a module"),
        ("src/poly/far.py", "def double(n):", 'def double(n):\n    """Twice."""'),
        ("src/poly/near.py", "3 * n", "3*n  # three times"),
        ("src/poly/__init__.py", "", '"""What it is."""\n'),
        ("src/poly/unused.py", "", "x = 1"),
        ("book/data/other.csv", "3", "4"),
        ("book/claims.yml", "first", "1st"),
        ("_config.yml", "Tiny", "Small"),
    ],
)
def test_the_key_does_not_change_with(book: Path, file: str, old: str, new: str) -> None:
    before = key_of(book)
    edit(book / file, old, new)
    assert key_of(book) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("book/02-two.ipynb", "far.double(n)", "far.double(n + 0)", "code cell 2 changed"),
        ("src/poly/near.py", "3 * n", "4 * n", "src/poly/near.py changed"),
        ("book/data/points.csv", "1", "2", "book/data/points.csv changed"),
        ("book/claims.yml", "second", "2nd", "claim C2 changed"),
        ("src/poly/far.py", "from . import near", "near = None", "src/poly/far.py, src/poly/near.py changed"),
    ],
)
def test_stale_outputs_say_which_input_changed(book: Path, file: str, old: str, new: str, says: str) -> None:
    path = book / "book/02-two.ipynb"
    notebook = chapters.read_notebook(path)
    for number, cell in enumerate(chapters.code_cells(notebook), 1):
        cell.execution_count = number
    now = cache_key.inputs(book, notebook)
    notebook.metadata["poly"] = {"key": cache_key.key_of(now), "inputs": now}
    write(path, notebook)
    edit(book / file, old, new)
    pages = chapters.find_chapters(chapters.read_pages(book), ["02"])
    stale = [line for line in stored_outputs.faults(book, pages) if "stale" in line]
    assert stale == [f"02-two: its stored outputs are stale: {says}"]


def test_the_key_depends_on_parameters_and_sees_imports_beside_magics(book: Path) -> None:
    source = chapters.read_notebook(book / "book/02-two.ipynb")
    assert cache_key.chapter_key(book, source, {"n": 4}) != cache_key.chapter_key(book, source)
    path = book / "book/02-two.ipynb"
    write(path, chapter("Two", "%matplotlib inline\nimport poly.unused", "not python ("))
    before = key_of(book)
    edit(book / "src/poly/unused.py", "", "x = 1")
    assert key_of(book) != before
    edit(book / "src/poly/unused.py", "x = 1", "x = (")
    assert key_of(book) != before  # the kernel will say what is wrong


def test_the_key_knows_every_perturbation(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for seed in ("", "0", "1"):
        monkeypatch.setenv(perturb.VARIABLE, seed)
        keys.append(key_of(book))
    assert len(set(keys)) == 3
