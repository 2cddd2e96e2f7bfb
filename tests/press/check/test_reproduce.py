import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from notebooks import notebook
from poly.experiments import perturbed_archive
from poly.press import __main__, execute
from poly.press.chapters import Page, PressError, notebook_text
from poly.press.check import reproduce, small_grids, stored_outputs, verify
from poly.press.execute import provenance
from poly.press.execute.cache_key import chapter_key
from poly.press.execute.variants import Variant
from poly.press.render import rounding_tables
from press.render.test_rounding_tables import row
from press.test_metadata import RUN


def test_the_commit_chooses_the_seed(tmp_path: Path) -> None:
    assert reproduce.commit_seed(tmp_path) == 0
    (tmp_path / "src" / "poly").mkdir(parents=True)
    for name in ("_toc.yml", "src/poly/a.py", "requirements.txt"):
        (tmp_path / name).write_text("", encoding="utf-8")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *command], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert reproduce.commit_seed(tmp_path) == int(head.stdout[:8], 16)
    assert [each.perturbed for each in reproduce.perturbations(tmp_path, 2)] == [
        int(head.stdout[:8], 16) + k for k in (0, 1)
    ]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Make a book of one chapter; return what executing it gives, and a record of what was executed."""
    page = Page("book/01-one", tmp_path / "book" / "01-one.ipynb")
    page.path.parent.mkdir()
    page.path.write_text(notebook_text(notebook()), encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("", encoding="utf-8")
    found: dict[str, Any] = {"root": tmp_path, "asked": [], "gives": notebook(), "fails": False}

    def run(root: Path, jobs: Any) -> None:
        for job in jobs:
            found["asked"].append(job.variables)
            if found["fails"]:
                raise PressError("01-one failed in code cell 1 of 1:\n\n    run()\n\nValueError: no")
            done = found["gives"]
            stamp = RUN | {"processor": provenance.processor(), "seconds": 60.0}
            done.metadata["poly"] = {"key": job.key, "python": execute.PYTHON, "provenance": stamp}
            job.target.parent.mkdir(parents=True, exist_ok=True)
            job.target.write_text(notebook_text(done), encoding="utf-8")

    monkeypatch.setattr(reproduce, "read_pages", lambda _: found.get("pages", [page]))
    monkeypatch.setattr(reproduce, "find_chapters", lambda *_: [page])
    monkeypatch.setattr(execute, "execute", run)
    monkeypatch.setattr(stored_outputs, "faults", lambda *_: found.get("stale", []))
    monkeypatch.setattr(provenance, "book", lambda _: {"commit": "abc", "requirements": "r"})
    monkeypatch.setattr(provenance, "processor", lambda: found.get("processor", "P"))
    return found


ASKED = [Variant(1, "default"), Variant(2, "native", 7)]


def test_every_chapter_runs_once_in_each_variant(book: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    reproduce.matrix(book["root"], [], ASKED)
    assert [variables.get("POLY_PERTURB") for variables in book["asked"]] == [None, "7"]
    assert "2 runs of chapters to do, about " in capsys.readouterr().out
    reproduce.matrix(book["root"], [], ASKED)
    assert len(book["asked"]) == 2
    assert "0 runs of chapters to do" in capsys.readouterr().out
    rows = reproduce.rows(book["root"] / reproduce.RESULT)
    assert [(row["cells"], row["figures"], row["faults"]) for row in rows] == [([1, 1], [1, 1], [])] * 2


def test_what_does_not_hold_is_told_and_written(book: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    book["gives"] = notebook("13", value=1.5)
    with pytest.raises(PressError, match=r"^not every number held in every variant"):
        reproduce.matrix(book["root"], [], ASKED)
    assert (
        "  01-one, cell 1 says '13', and said '12': 12 moved by +1, must be the same (exact)\n"
        in capsys.readouterr().out
    )
    rows = reproduce.rows(book["root"] / reproduce.RESULT)
    assert all(len(row["faults"]) == 3 for row in rows)
    assert ["texts" in row for row in rows] == [False, True]
    kept = book["root"] / reproduce.KEPT
    kept.parent.mkdir()
    kept.write_text(json.dumps({"runs": rows}), encoding="utf-8")
    assert reproduce.changed_texts(reproduce.rows(kept)) == {"01-one": {"one"}}


def test_what_is_known_stays_until_its_variant_has_run_again(book: dict[str, Any]) -> None:
    reproduce.matrix(book["root"], [], ASKED)
    book["processor"] = "Q"
    reproduce.matrix(book["root"], [], ASKED)
    rows = reproduce.rows(book["root"] / reproduce.RESULT)
    assert [row["processor"] for row in rows] == ["P", "P", "Q", "Q"]
    assert len(book["asked"]) == 4  # what one processor has run is not taken for another's
    page = book["root"] / "book" / "01-one.ipynb"
    changed = notebook()
    changed.cells[0].source = "run(2)"
    page.write_text(notebook_text(changed), encoding="utf-8")
    book["gives"] = changed
    reproduce.matrix(book["root"], [], ASKED)
    rows = reproduce.rows(book["root"] / reproduce.RESULT)
    assert [row["processor"] for row in rows] == ["P", "P", "Q", "Q"]
    assert rows[0]["key"] != rows[2]["key"]
    assert rows[2]["moved"] == {"fig-a": {"y": [0.0, 0.0]}}
    book["pages"] = []
    reproduce.matrix(book["root"], [], ASKED[:1])
    rows = reproduce.rows(book["root"] / reproduce.RESULT)
    assert [row["processor"] for row in rows] == ["Q"]  # the others are of chapters that the book has no more


def test_a_chapter_that_fails_is_told_and_the_next_variant_runs(book: dict[str, Any]) -> None:
    book["fails"] = True
    with pytest.raises(PressError, match=r"^not every number held"):
        reproduce.matrix(book["root"], [], ASKED)
    rows = reproduce.rows(book["root"] / reproduce.RESULT)
    assert [(row["cells"], row["faults"]) for row in rows] == [([0, 1], ["01-one failed in code cell 1 of 1:"])] * 2
    book["fails"] = False
    reproduce.matrix(book["root"], [], ASKED)
    assert not any(row["faults"] for row in reproduce.rows(book["root"] / reproduce.RESULT))


def test_without_variants_or_stored_outputs_nothing_runs(book: dict[str, Any]) -> None:
    with pytest.raises(PressError, match=r"^no such variant here; there are 1 thread, native, 2 threads, native"):
        reproduce.matrix(book["root"], [], [])
    book["stale"] = ["01-one is stale"]
    with pytest.raises(PressError, match=r"^01-one is stale: there is nothing to hold the variants against"):
        reproduce.matrix(book["root"], [], ASKED)
    assert book["asked"] == []


def test_the_kept_results_can_be_read() -> None:
    root = Path(__file__).parents[3]
    assert reproduce.KEPT_RUNS.name == perturbed_archive.NAME
    assert isinstance(reproduce.rows(root / reproduce.KEPT), list)
    assert isinstance(small_grids.kept(root), list)
    assert "| gradient flow | 256 |" in rounding_tables.winners(root / reproduce.KEPT_RUNS)


def test_the_key_knows_the_perturbation(book: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plain = chapter_key(book["root"], notebook())
    monkeypatch.setenv("POLY_PERTURB", "1")
    assert chapter_key(book["root"], notebook()) != plain


def test_kept_perturbations_are_read_by_figure_and_series(tmp_path: Path) -> None:
    assert reproduce.perturbed(reproduce.rows(tmp_path / reproduce.KEPT)) == {}
    path = tmp_path / reproduce.KEPT
    path.parent.mkdir(parents=True)
    runs = [
        row(perturbed=1, faults=[], moved={"fig-a": {"x": [0.5, 0.1], "y": [0.0, 0.0]}}),
        row(perturbed=2, faults=[], moved={"fig-a": {"x": [0.25, 0.1], "y": [1.0, 2.0]}, "fig-b": {"z": [2.0, 0.1]}}),
        row(faults=[], moved={"fig-a": {"x": [8.0, 8.0]}}),  # other instructions are no perturbation
        row(perturbed=3, moved={"fig-a": {"x": [9.0, 9.0]}}),  # what a fault moved explains nothing
    ]
    path.write_text(json.dumps({"runs": runs}), encoding="utf-8")
    assert reproduce.perturbed(reproduce.rows(path)) == {"fig-a": {"x": 0.5, "y": 1.0}, "fig-b": {"z": 2.0}}


# A reader's verification


def measured(**changes: Any) -> dict[str, Any]:
    return {"id": "A", "measured": 1.0, "low": 0.5, "high": 2.5, "verdict": "confirmed"} | changes


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (measured(), "held"),
        (measured(measured=1.1), "moved by +0.1, 5% of its interval"),
        (measured(low=0.4), "moved by +0, 0% of its interval"),
        (measured(verdict="open"), "fell: confirmed is now open"),
        (None, "fell: not measured"),
    ],
)
def test_a_claim_holds_moves_or_falls(now: dict[str, Any] | None, says: str) -> None:
    assert verify.compare_claim(measured(), now)[3] == says


def test_a_claim_without_an_interval_moves_by_so_much() -> None:
    exact = {"low": 1.0, "high": 1.0}
    assert verify.compare_claim(measured(**exact), measured(measured=1.5, low=1.5, high=1.5))[3] == "moved by +0.5"


@pytest.mark.parametrize("words", [["06"], ["--times", "3"]])
def test_kept_networks_have_no_chapters(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["perturb", "--kept", *words]) == 1
    assert capsys.readouterr().err.startswith("error: perturb --kept: takes neither chapters nor --times")
