"""Checks that can fail: faults planted in a scratch copy of the book, each of which its own checks must find.

The copy holds two chapters, recorded on their small grids. After each planting the keys are stored again, so that the
outputs look fresh, and only their numbers can show the fault.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
import yaml

from poly.press import record
from poly.press.chapters import Page, find_chapters, notebook_text, read_notebook, read_pages
from poly.press.check import small_grids, snapshots, stored_outputs
from poly.press.claims import ledger
from poly.press.execute import cache_key
from poly.press.figures import figure_data

ROOT = Path(__file__).parents[2]
CHAPTERS = ("02-three-forces", "03-race-inside-a-row")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is in {path.name} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def page_of(root: Path, name: str) -> Page:
    return find_chapters(read_pages(root), [name])[0]


def restamp(root: Path) -> None:
    """Store new keys, so that the stored outputs look fresh."""
    for page in find_chapters(read_pages(root), []):
        notebook = read_notebook(page.path)
        notebook.metadata.poly["key"] = cache_key.chapter_key(root, notebook)
        page.path.write_text(notebook_text(notebook), encoding="utf-8")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record two chapters on small grids, and return the folder of their book."""
    root = tmp_path_factory.mktemp("book")
    shutil.copytree(ROOT / "src", root / "src")  # with what is compiled
    shutil.copytree(ROOT / "book", root / "book")
    for name in ("_config.yml", "requirements.txt", "references.bib"):
        shutil.copy(ROOT / name, root / name)
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    toc["parts"] = [{"chapters": [{"file": f"book/{name}"} for name in CHAPTERS]}]
    (root / "_toc.yml").write_text(yaml.safe_dump(toc), encoding="utf-8")
    for name in CHAPTERS:
        notebook = read_notebook(root / "book" / f"{name}.ipynb")
        values = small_grids.small(notebook)
        assert values
        (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        for key, value in values.items():
            cell.source, times = re.subn(rf"^{key} = [^#\n]*", f"{key} = {value!r}  ", cell.source, flags=re.MULTILINE)
            assert times == 1
        nbformat.write(notebook, root / "book" / f"{name}.ipynb")  # type: ignore[no-untyped-call]
    subprocess.run([sys.executable, "-m", "poly.press", "record"], cwd=root, check=True, capture_output=True)
    return root


def faults(root: Path, chapter: str) -> list[str]:
    found: list[str] = snapshots.chapters(root, [page_of(root, chapter)], {})["faults"]
    return found


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_without_a_fault_nothing_is_found(recorded: Path, chapter: str) -> None:
    assert faults(recorded, chapter) == []


def sign_of_a_force(root: Path) -> None:
    edit(root / "src/poly/model.py", "interference=tensors.no_overflow(-4 *", "interference=tensors.no_overflow(4 *")


def lambda_off_by_four(root: Path) -> None:
    edit(
        root / "src/poly/sparsify.py",
        "0.0, False, step * shrink,",
        "0.0, False, step * shrink / 4,",
    )


def threshold_moved(root: Path) -> None:
    edit(
        root / "src/poly/theory/__init__.py",
        "np.where(room > 0, shrink / np.where",
        "np.where(room > 0, 1.1 * shrink / np.where",
    )


def seed_changed(root: Path) -> None:
    edit(root / "book/03-race-inside-a-row.ipynb", "seed = 3  ", "seed = 4  ")


def figure_altered(root: Path) -> None:
    page = page_of(root, "3")
    notebook = read_notebook(page.path)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            figure = output.get("metadata", {}).get("poly", {}).get("figure", {})
            if figure.get("name") == "fig-c3-ratio":
                series, rule, _ = figure_data.unpack(figure["data"])
                altered = series | {"over_law": 1.01 * series["over_law"]}
                figure["data"] = figure_data.pack(altered, rule.level, rule.tolerance)
    page.path.write_text(notebook_text(notebook), encoding="utf-8")


@pytest.mark.parametrize(
    ("plant", "chapter", "found"),
    [
        (sign_of_a_force, "2", "differs"),
        (lambda_off_by_four, "3", "differs"),
        (threshold_moved, "2", "differs"),
        (seed_changed, "3", "differs"),
        (
            figure_altered,
            "3",
            r"03-race-inside-a-row, fig-c3-ratio, series 'over_law'\[\d+\]: stored .*, now .*, allowed",
        ),
    ],
)
def test_a_planted_fault_is_found(
    recorded: Path, tmp_path: Path, plant: Callable[[Path], None], chapter: str, found: str
) -> None:
    root = shutil.copytree(recorded, tmp_path / "book", ignore=shutil.ignore_patterns("_build"))
    plant(root)
    stale = any("stale" in fault for fault in stored_outputs.faults(root, [page_of(root, chapter)]))
    assert stale == (plant is not figure_altered)
    restamp(root)
    assert any(re.search(found, fault) for fault in faults(root, chapter))


def test_a_tolerance_that_is_widened_after_the_fact_is_found(recorded: Path, tmp_path: Path) -> None:
    root = shutil.copytree(recorded, tmp_path / "book", ignore=shutil.ignore_patterns("_build"))
    ledger_file = root / "book/claims.yml"
    edit(
        ledger_file,
        '{value: 1, tolerance: 0.1, says: "run / formula = 1"}\n  alternative: {value: 1.174',
        '{value: 1, tolerance: 0.3, says: "run / formula = 1"}\n  alternative: {value: 1.174',
    )
    restamp(root)
    said = "claim C5c: its entry has changed since it was checked; say when and why in its field amended"
    notebooks = {page: read_notebook(page.path) for page in find_chapters(read_pages(root), [])}
    assert f"03-race-inside-a-row: {said}" in ledger.faults(record.registered(root), notebooks)
    done = subprocess.run(
        [sys.executable, "-m", "poly.press", "record", "3"], cwd=root, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert said in done.stderr
