import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from poly import perturb
from poly.press import perturbation, reproduce
from poly.press.chapters import PressError

PAGE = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """A book of two empty chapters."""
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nchapters:\n- file: book/01-one\n- file: book/02-two\n", encoding="utf-8"
    )
    (tmp_path / "book").mkdir()
    (tmp_path / "_build").mkdir()
    (tmp_path / "book" / "index.md").write_text("# A book\n", encoding="utf-8")
    for name in ("01-one", "02-two"):
        (tmp_path / "book" / f"{name}.ipynb").write_text(PAGE, encoding="utf-8")
    return tmp_path


def test_the_commit_chooses_the_seed(tmp_path: Path) -> None:
    assert perturbation.chosen(tmp_path) == 0
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert perturbation.chosen(tmp_path) == int(head.stdout[:8], 16)
    assert perturbation.chosen(tmp_path) == perturbation.chosen(tmp_path)


def test_whole_chapters_run_once_for_each_seed(
    book: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def chapters(root: Path, pages: Any, variables: Any) -> dict[str, Any]:
        asked.append(([page.name for page in pages], variables[perturb.VARIABLE]))
        faults = ["02-two, fig-a, series 'y'[0]: moved"] if variables[perturb.VARIABLE] == "6" else []
        return {"cells": "2 of 2", "figures": "1 of 1", "faults": faults}

    monkeypatch.setattr(reproduce, "chapters", chapters)
    perturbation.whole(book, ["02"], [5])
    with pytest.raises(PressError, match=r"^some numbers moved by more than their level allows; all of them are in "):
        perturbation.whole(book, [], [5, 6])
    assert asked == [(["02-two"], "5"), (["01-one", "02-two"], "5"), (["01-one", "02-two"], "6")]
    assert "  02-two, fig-a, series 'y'[0]: moved\n" in capsys.readouterr().out
    kept = json.loads((book / perturbation.RESULT).read_text(encoding="utf-8"))
    assert [(row["seed"], len(row["faults"])) for row in kept["runs"]] == [(5, 0), (6, 1)]


def test_small_grids_are_compared_with_each_perturbation(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_small(_: Path, pages: Any, __: Any, name: str, variables: Any = None) -> list[str]:
        return [f"{page.name}{(variables or {}).get(perturb.VARIABLE, '')}" for page in pages]

    monkeypatch.setattr(reproduce, "run_small", run_small)
    monkeypatch.setattr(reproduce, "compare", lambda one, other: [f"{one} is {other}"] if other.endswith("e8") else [])
    assert perturbation.small(book, [], [7, 8]) == ["01-one, seed 8: 01-one is 01-one8"]
