from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_notebook

from notebooks import notebook
from poly.press.chapters import Page, PressError, find_chapters, notebook_text, read_notebook, read_pages
from poly.press.check import small_grids
from poly.press.disk import exclusive_lock
from poly.press.execute.variants import Variant, variants
from small_book import chapter, make_book, write


def test_the_small_grid_is_in_the_parameters_cell() -> None:
    assert small_grids.small(notebook()) == {"n": 2}
    assert small_grids.small(new_notebook()) == {}  # type: ignore[no-untyped-call]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """Replace runs by notebooks given by key: "plain", or a seed."""
    found: dict[Any, Any] = {}

    def run(root: Path, runs: Any) -> list[Any]:
        def one(variant: Variant, pages: Any) -> list[Any]:
            found.setdefault("asked", []).extend([variant] if pages else [])
            return [found.get("plain" if variant.perturbed is None else variant.perturbed, notebook()) for _ in pages]

        return [one(*each) for each in runs]

    (tmp_path / "_build").mkdir()
    monkeypatch.setattr(small_grids, "read_pages", lambda _: [])
    pages = [Page(f"book/{name}", tmp_path) for name in ("01-one", "02-two")]
    wanted_pages = {"01": pages[:1], "02": pages[1:]}
    monkeypatch.setattr(small_grids, "find_chapters", lambda _, wanted: wanted_pages.get("".join(wanted), pages))
    monkeypatch.setattr(small_grids, "_code", lambda *_: found.get("code", "a"))
    monkeypatch.setattr(small_grids, "run", run)
    return found


def test_small_grids_are_the_same_perturbed_and_on_the_oldest_instructions(
    runs: dict[Any, Any], tmp_path: Path
) -> None:
    assert small_grids.check(tmp_path, 5) == []
    assert runs["asked"] == [(1, "native", None), (1, variants()[-1].instructions, 5)]
    runs[5] = notebook("13")
    assert (
        small_grids.check(tmp_path, 5)[0]
        == "01-one, cell 1 says '13', and said '12': 12 moved by +1, must be the same (exact)"
    )
    runs[5] = notebook(value=1.5)
    (moved, *_) = [line for line in small_grids.check(tmp_path, 5) if "fig-a" in line]
    assert moved.startswith("01-one, fig-a, series 'y'[0]: stored 1, now 1.5")


def test_perturbations_go_on_where_they_stopped(runs: dict[Any, Any], tmp_path: Path) -> None:
    runs[8] = notebook("13")
    line = "seed 8: 01-one, cell 1 says '13', and said '12': 12 moved by +1, must be the same (exact)"
    assert small_grids.perturb(tmp_path, ["01"], [7, 8]) == [line]
    assert len(runs["asked"]) == 3
    assert small_grids.perturb(tmp_path, ["01"], [7, 8, 9]) == [line]
    assert len(runs["asked"]) == 5
    # Other chapters have been run with none of these seeds, and do not undo what this one has been run with.
    assert small_grids.perturb(tmp_path, [], [8]) == [line, line.replace("01-one", "02-two")]
    assert len(runs["asked"]) == 7
    assert small_grids.perturb(tmp_path, ["01"], [7, 8, 9]) == [line]
    assert len(runs["asked"]) == 7
    # What the book keeps is known in every copy of it.
    (tmp_path / "book" / "data").mkdir(parents=True)
    (tmp_path / small_grids.RESULT).rename(tmp_path / small_grids.KEPT)
    assert small_grids.perturb(tmp_path, ["01"], [7, 8, 9]) == [line]
    assert len(runs["asked"]) == 7
    # A chapter that is not asked for keeps its last result here, whatever the book keeps.
    runs["code"] = "b"
    small_grids.perturb(tmp_path, ["02"], [7])
    runs["code"] = "c"
    small_grids.perturb(tmp_path, ["01"], [7])
    assert small_grids._read(tmp_path / small_grids.RESULT)["02-two"][0] == "b"
    asked = len(runs["asked"])
    runs["code"] = "d"
    small_grids.perturb(tmp_path, [], [7])
    assert len(runs["asked"]) == asked + 2


def test_kept_are_the_seeds_that_all_chapters_have(runs: dict[Any, Any], tmp_path: Path) -> None:
    runs[8] = notebook("13")
    assert small_grids.kept(tmp_path) == []
    small_grids.perturb(tmp_path, [], [7, 8])
    small_grids.perturb(tmp_path, ["01"], [9])
    (tmp_path / "book" / "data").mkdir(parents=True)
    (tmp_path / small_grids.RESULT).rename(tmp_path / small_grids.KEPT)
    assert [len(each["faults"]) for each in small_grids.kept(tmp_path)] == [0, 2]
    assert small_grids.changed_since(tmp_path) == (0, 2)
    runs["code"] = "other"
    assert small_grids.changed_since(tmp_path) == (2, 2)
    (tmp_path / small_grids.KEPT).write_text("[]", encoding="utf-8")
    with pytest.raises(PressError, match=r"perturb-small\.json: not a result of `make perturb"):
        small_grids.kept(tmp_path)


def test_only_one_runs_small_grids_at_a_time(runs: dict[Any, Any], tmp_path: Path) -> None:
    with exclusive_lock(tmp_path / small_grids.FOLDER), pytest.raises(PressError):
        small_grids.perturb(tmp_path, [], [7])
    assert "asked" not in runs


def test_the_key_knows_grid_and_levels(tmp_path: Path) -> None:
    page = Page("book/01-one", tmp_path / "book" / "01-one.ipynb")
    page.path.parent.mkdir()
    keys = set()
    for text, grid in ((None, 2), ({"absolute": 1}, 2), ({"absolute": 2}, 2), (None, 3)):
        made = notebook()
        made.cells[0].metadata["poly"] |= {"small": {"n": grid}} | ({"text": text} if text else {})
        page.path.write_text(notebook_text(made), encoding="utf-8")
        keys.add(small_grids._code(tmp_path, page))
    assert len(keys) == 4


def two_chapters(tmp_path: Path, second: str) -> tuple[Path, list[Page]]:
    book = make_book(tmp_path)
    write(book / "book/01-one.ipynb", chapter("One", "left = n\nprint('n is', n, flag)"))
    write(book / "book/02-two.ipynb", chapter("Two", second))
    for path in sorted((book / "book").glob("0*.ipynb")):
        made = read_notebook(path)
        next(cell for cell in made.cells if "parameters" in cell.metadata.get("tags", [])).metadata["poly"] = {
            "small": {"n": 7}
        }
        path.write_text(notebook_text(made), encoding="utf-8")
    return book, find_chapters(read_pages(book), [])


def test_chapters_in_one_kernel_know_nothing_of_each_other(tmp_path: Path) -> None:
    book, pages = two_chapters(tmp_path, "print('left' in dir(), n)")
    (one, two), nothing = small_grids.run(book, [(small_grids.PLAIN, pages), (small_grids.perturbed_variant(1), [])])
    assert nothing == []
    printed = [[output.text for cell in each.cells for output in cell.outputs] for each in (one, two)]
    assert printed == [["n is 7 True\n"], ["False 7\n"]]
    assert [len(each.cells) for each in (one, two)] == [3, 3]  # with the one that sets the small grid


def test_a_perturbed_run_has_the_oldest_instructions_of_the_libraries_and_the_kernels_of_the_plain_one(
    tmp_path: Path,
) -> None:
    names = ("ATEN_CPU_CAPABILITY", "NUMBA_CPU_NAME", "POLY_PERTURB")
    book, pages = two_chapters(tmp_path, f"import os\nprint([os.environ.get(name) for name in {names}])")
    runs = [(small_grids.PLAIN, pages), (small_grids.perturbed_variant(5), pages)]
    said = [each[1].cells[-1].outputs[0].text for each in small_grids.run(book, runs)]
    assert said == ["[None, None, None]\n", "['default', None, '5']\n"]


def test_a_chapter_that_fails_on_its_small_grid_is_named(tmp_path: Path) -> None:
    book, pages = two_chapters(tmp_path, "1 / 0")
    with pytest.raises(PressError, match=r"^02-two, its code cell 3, in small-grids, plain failed in code cell 7 of"):
        small_grids.run(book, [(small_grids.PLAIN, pages)])
    # The plain run is known already, and the first chapter with this seed, too.
    runs = [(small_grids.PLAIN, []), (small_grids.perturbed_variant(3), pages[1:])]
    line = r"^02-two, its code cell 3, in small-grids, perturbed with seed 3 failed in code cell 3 of"
    with pytest.raises(PressError, match=line):
        small_grids.run(book, runs)
