import json
from pathlib import Path
from typing import Any

import pytest

from notebooks import notebook
from poly.press import execute
from poly.press.chapters import Page, notebook_text
from poly.press.check import reproduce, snapshots
from poly.press.execute import provenance
from poly.press.execute.cache_key import chapter_key
from poly.press.figures import figure_data
from press.render.test_rounding_tables import row


def test_figures_are_held_against_the_stored_ones(tmp_path: Path) -> None:
    page = Page("book/01-one", tmp_path / "01-one.ipynb")
    page.path.write_text(notebook_text(notebook()), encoding="utf-8")
    folder = tmp_path / "new"
    folder.mkdir()
    assert snapshots.figure_faults([page], folder) == (["01-one, fig-a, was not drawn"], 1)
    for value, faults in ((1.0, 0), (1.0005, 0), (1.01, 1)):
        packed = figure_data.pack({"y": [value]}, "rounding", 1e-3)
        (folder / "fig-a.json").write_text(json.dumps(packed), encoding="utf-8")
        assert len(snapshots.figure_faults([page], folder)[0]) == faults


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Page, dict[str, Any], list[Page]]:
    """Return a chapter, the metadata of its copy executed by a build, and the chapters that nbval executes."""
    page = Page("book/01-one", tmp_path / "book" / "01-one.ipynb")
    page.path.parent.mkdir()
    page.path.write_text(notebook_text(notebook()), encoding="utf-8")
    by_nbval: list[Page] = []

    def nbval(root: Path, pages: list[Page], variables: object) -> list[tuple[str, str, str]]:
        by_nbval.extend(pages)
        return [("01-one", "Cell 0", "")]

    monkeypatch.setattr(snapshots, "_nbval", nbval)
    stamp = provenance.run(tmp_path, notebook(), seconds=1.0, memory=0)
    told = {"key": chapter_key(tmp_path, notebook()), "python": execute.PYTHON, "provenance": stamp}
    return page, told, by_nbval


def compared(root: Path, page: Page, told: dict[str, Any], text: str = "12", *, again: bool = False) -> dict[str, Any]:
    copy = execute.executed_path(root, page)
    copy.parent.mkdir(parents=True, exist_ok=True)
    done = notebook(text)
    done.metadata["poly"] = told
    copy.write_text(notebook_text(done), encoding="utf-8")
    return snapshots.chapters(root, [page], {}, again=again)


def test_a_chapter_that_the_last_build_has_executed_is_not_executed_again(
    executed: tuple[Page, dict[str, Any], list[Page]], tmp_path: Path
) -> None:
    page, told, by_nbval = executed
    found = compared(tmp_path, page, told)
    assert (found["faults"], found["figures"]) == ([], "1 of 1")
    assert compared(tmp_path, page, told, "13")["faults"] == [
        "01-one, cell 1 says '13', and said '12': 12 moved by +1, must be the same (exact)"
    ]
    assert by_nbval == []


def test_a_cell_that_differs_says_whether_perturbation_explains_it(
    executed: tuple[Page, dict[str, Any], list[Page]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, _, _ = executed
    one = row(perturbed=7, texts=["one"])
    kept = tmp_path / reproduce.KEPT
    kept.parent.mkdir()
    for fault, known, why in (
        (
            "differs: it says '13', and said '12'",
            [one],
            "; perturbation explains it: it changed the text of this cell, too",
        ),
        ("differs: it says '13', and said '12'", [], ""),
        ("failed: its output above says how", [one], ""),
    ):
        kept.write_text(json.dumps({"runs": known}), encoding="utf-8")
        monkeypatch.setattr(snapshots, "_nbval", lambda *_, fault=fault: [("01-one", "Cell 0", fault)])
        assert snapshots.chapters(tmp_path, [page], {})["faults"][0] == f"01-one, Cell 0 {fault}{why}"


@pytest.mark.parametrize("why", ["asked for", "another key", "another processor", "other libraries", "the stored run"])
def test_otherwise_it_is(executed: tuple[Page, dict[str, Any], list[Page]], tmp_path: Path, why: str) -> None:
    page, told, by_nbval = executed
    if why == "another key":
        told["key"] = "another"
    elif why == "another processor":
        told["provenance"]["processor"] = "another"
    elif why == "other libraries":
        told["provenance"]["libraries"] = {"numpy": "1.0"}
    elif why == "the stored run":
        stored = notebook()
        stored.metadata["poly"] = {"provenance": told["provenance"]}
        page.path.write_text(notebook_text(stored), encoding="utf-8")
    compared(tmp_path, page, told, again=why == "asked for")
    assert by_nbval == [page]
