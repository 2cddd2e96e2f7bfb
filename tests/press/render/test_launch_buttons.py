"""Test buttons and start cells: a copy of the book has them if it has an address, and else none."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook

from poly.press.chapters import PressError, notebook_text, read_notebook
from poly.press.execute.cache_key import chapter_key
from poly.press.render import launch_buttons

ROOT = Path(__file__).parents[3]
HERE = "https://example.org/someone/book"
CONFIG = (ROOT / "_config.yml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)


def book(tmp_path: Path, url: str) -> Path:
    (tmp_path / "_config.yml").write_text(f'repository:\n  url: "{url}"\n', encoding="utf-8")
    return tmp_path


def test_this_book_points_nowhere() -> None:
    assert launch_buttons.home(ROOT) is None
    assert launch_buttons.configured(CONFIG, None) == CONFIG


def test_the_address_is_the_setting_or_that_of_the_actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch_buttons.home(book(tmp_path, HERE + "/")) == HERE
    assert launch_buttons.home(book(tmp_path, "")) is None
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    assert launch_buttons.home(book(tmp_path, "")) == "https://github.com/someone/fork"
    assert launch_buttons.home(book(tmp_path, HERE)) == HERE


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PressError, match="url='someone/book', must be empty or begin with https://, host"):
        launch_buttons.home(book(tmp_path, "someone/book"))


@pytest.mark.parametrize("end", ["", "/", ".git", ".git/", "//"])
def test_an_address_to_clone_from_is_one_to_open(tmp_path: Path, end: str) -> None:
    assert launch_buttons.home(book(tmp_path, f" {HERE}{end} ")) == HERE


@pytest.mark.parametrize("url", ["https://", "https:///book", "https://example.org/", "git@example.org:a/b.git"])
def test_an_address_without_host_or_path_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(PressError, match="must be empty or begin with https://, host and path"):
        launch_buttons.home(book(tmp_path, url))


@pytest.mark.parametrize("url", ["https://me:secret@example.org/book.git", f"{HERE}?tab=1", f"{HERE}#top"])
def test_an_address_that_pages_cannot_show_is_refused_without_its_secrets(tmp_path: Path, url: str) -> None:
    with pytest.raises(PressError, match="must have no user, password") as caught:
        launch_buttons.home(book(tmp_path, url))
    assert "secret" not in str(caught.value)


def test_with_an_address_pages_get_buttons_and_nothing_else_changes() -> None:
    before, after = yaml.safe_load(CONFIG), yaml.safe_load(launch_buttons.configured(CONFIG, HERE))
    assert after["repository"] == {"url": HERE, "branch": "launch"}
    assert after["launch_buttons"]["colab_url"].startswith("https://colab.")
    assert after["html"].pop("use_repository_button")
    same = set(before) - {"repository", "launch_buttons"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def chapter() -> Any:
    return new_notebook(cells=[new_code_cell("n = 1", id="a")])  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("url", [None, HERE])
def test_a_downloaded_chapter_says_how_to_run_it(url: str | None) -> None:
    source = chapter()
    found = launch_buttons.to_run(source, url)
    nbformat.validate(found)
    assert found.cells[0].cell_type == "markdown"
    assert "make notebook" in found.cells[0].source
    assert [cell.source for cell in source.cells] == ["n = 1"]
    assert found.cells[-1].source == "n = 1"
    colab = [cell for cell in found.cells if "google.colab" in cell.source]
    assert len(colab) == (url is not None)
    assert all(f"git clone --depth 1 {HERE}" in cell.source and "%pip install" in cell.source for cell in colab)


@pytest.mark.parametrize("url", [None, HERE])
@pytest.mark.parametrize("with_ids", [True, False])
def test_a_downloaded_chapter_can_be_put_back(tmp_path: Path, url: str | None, with_ids: bool) -> None:
    downloaded = launch_buttons.to_run(chapter(), url)
    if not with_ids:  # as some editors save it
        for number, cell in enumerate(downloaded.cells):
            cell.id = f"new-{number}"
    path = tmp_path / "01-one.ipynb"
    path.write_text(notebook_text(downloaded), encoding="utf-8")
    back = read_notebook(path)
    assert [cell.source for cell in back.cells] == ["n = 1"]
    again = launch_buttons.to_run(downloaded, url)
    assert [cell.source for cell in again.cells] == [cell.source for cell in downloaded.cells]
    assert chapter_key(tmp_path, back) == chapter_key(tmp_path, chapter())


@pytest.mark.parametrize("ids", [None, ["same", "same"], ["not allowed!", "x" * 65], ["cell-1-0", ""]])
@pytest.mark.parametrize("minor", [0, 4, 5])
def test_a_chapter_of_any_minor_version_stays_valid(minor: int, ids: list[str] | None) -> None:
    source = new_notebook(cells=[new_code_cell("n = 1"), new_code_cell("n = 2")])  # type: ignore[no-untyped-call]
    source.nbformat_minor = minor
    for cell in source.cells:
        del cell["id"]
    for cell, name in zip(source.cells, ids or [], strict=False):
        cell["id"] = name
    found = launch_buttons.to_run(source, HERE)
    nbformat.validate(found)
    assert found.nbformat_minor == 5
    assert len({cell.id for cell in found.cells}) == len(found.cells)
