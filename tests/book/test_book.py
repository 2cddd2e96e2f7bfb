"""The book's own rules, checked on the stored chapters: form, figures, claims."""

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import yaml

from poly.press.chapters import find_chapters, read_notebook, read_pages
from poly.press.execute import parameters
from poly.press.figures import figure_data, figure_differences, levels

ROOT = Path(__file__).parents[2]
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [entry["file"] for part in TOC["parts"] for entry in part["chapters"]]
CHAPTERS = [ROOT / f"{page}.ipynb" for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
COLUMNS = 84  # that fit beside the margin of a page


def code_cells(chapter: Path) -> list[Any]:
    notebook = nbformat.read(chapter, as_version=4)  # type: ignore[no-untyped-call]
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def displayed(chapter: Path, kind: str) -> list[Any]:
    """Return what the outputs of the chapter store for the press under ``kind``, in order."""
    outputs = [output for cell in code_cells(chapter) for output in cell.outputs]
    found = [output.get("metadata", {}).get("poly", {}).get(kind) for output in outputs]
    return [item for item in found if item]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_cells_are_short(chapter: Path) -> None:
    for cell in code_cells(chapter):
        if "parameters" in cell.metadata.get("tags", []):
            continue
        every = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.stmt)]
        count = sum(not isinstance(node, ast.Import | ast.ImportFrom) for node in every)
        assert count <= 10, f"{chapter.stem}, cell {cell.id}: {count} statements, at most 10"
        longest = max(map(len, cell.source.splitlines()), default=0)
        assert longest <= COLUMNS, f"{chapter.stem}, cell {cell.id}: {longest} columns, at most {COLUMNS}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_every_picture_is_a_figure(chapter: Path) -> None:
    for cell in code_cells(chapter):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                figure = output.metadata.get("poly", {}).get("figure", {})
                assert figure.get("alt"), f"{chapter.stem}, cell {cell.id}: a picture that figures.show did not show"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_nothing_warns(chapter: Path) -> None:
    for cell in code_cells(chapter):
        said = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        assert said == [], f"{chapter.stem}, cell {cell.id}: a reader would see {''.join(said)!r}"


def test_figure_names_are_unique() -> None:
    names = Counter(figure["name"] for chapter in CHAPTERS for figure in displayed(chapter, "figure"))
    assert [name for name, times in names.items() if times > 1] == []


def commands() -> list[tuple[str, str]]:
    """Return chapter and parameters of every ``make chapter`` in README, CONTRIBUTING, Makefile, pages and chapters."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile", *(ROOT / "book").glob("*.md"), *CHAPTERS]
    texts = [page.read_text(encoding="utf-8").replace('\\"', '"') for page in pages]
    return sorted({found for text in texts for found in re.findall(r'CHAPTER=(\d\w*) PARAMS="([^"]+)"', text)})


def test_there_are_commands() -> None:
    assert len(commands()) >= 4


@pytest.mark.parametrize(("number", "words"), commands())
def test_a_command_that_the_text_gives_is_understood(number: str, words: str) -> None:
    page = find_chapters(read_pages(ROOT), [number])[0]
    known = parameters.known_parameters(read_notebook(page.path))
    assert parameters.read_parameters(words.split(), known, page.name)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_one_percent_in_any_number_of_any_figure_is_found(chapter: Path) -> None:
    for figure in displayed(chapter, "figure"):
        stored = figure_data.unpack(figure["data"])
        for name, values in stored.series.items():
            if values.dtype.kind != "f":
                continue
            rule = stored.rule_of(name)
            seen = np.abs(values) > max(100 * rule.absolute, 1e-9 * np.nanmax(np.abs(values), initial=0.0))
            if not seen.any() or name.endswith("_networks"):
                continue
            altered = stored._replace(series=stored.series | {name: np.where(seen, 1.01 * values, values)})
            (line,) = figure_differences.differences(stored, altered)
            own = f"; {seen.sum()} of {values.size} numbers differ" in line
            assert own or line.endswith(": is not that of its networks"), f"{figure['name']}, {name}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_three_standard_errors_in_any_statistical_series_are_found(chapter: Path) -> None:
    """Move all networks of a series by three standard errors; the comparison must report it."""
    for figure in displayed(chapter, "figure"):
        stored = figure_data.unpack(figure["data"])
        for name, rule in stored.own.items():
            if rule.level != "statistical" or not stored.series[f"{name}_se"].any():
                continue  # networks that are all alike have no error
            networks, error = stored.series[f"{name}_networks"].astype(float), stored.series[f"{name}_se"]
            moved = networks + 3 * error
            center = levels.mean(moved)[0].reshape(error.shape)
            if rule.shown:
                more = (1,) * (stored.series[name].ndim - error.ndim)
                center = stored.series[name] + 3 * error.reshape(error.shape + more)
            whole = stored._replace(series=stored.series | {f"{name}_networks": networks})
            altered = stored._replace(series=stored.series | {f"{name}_networks": moved, name: center})
            (line,) = figure_differences.differences(whole, altered)
            assert "on average its numbers moved by +3 standard errors" in line


def test_tolerances_are_far_below_one_percent() -> None:
    loose = [
        (figure["name"], rule)
        for chapter in CHAPTERS
        for figure in displayed(chapter, "figure")
        for data in [figure_data.unpack(figure["data"])]
        for rule in [data.rule, *data.own.values()]
        if rule.tolerance > 1e-3 or rule.absolute > 0.02
    ]
    assert loose == []
