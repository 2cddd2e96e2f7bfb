"""The commit that numbers come from: the book's own, or none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from poly.press.execute import provenance

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    own = [f"user.{key}=nobody@example.org" for key in ("name", "email")]
    settings = [part for setting in (*own, "commit.gpgsign=false") for part in ("-c", setting)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, env=variables, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def book(root: Path) -> Path:
    for name in ("_toc.yml", "src/poly/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


def repository(root: Path, file: str = "README") -> str:
    """Make a repository with one commit, and return the commit's name."""
    git(root, "init", "--quiet")
    (root / file).touch()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    return git(root, "rev-parse", "--short=12", "HEAD")


def commit(root: Path) -> str:
    return str(provenance.book(root)["commit"])


def test_a_book_in_its_own_repository_has_its_commit(tmp_path: Path) -> None:
    name = repository(book(tmp_path))
    assert commit(tmp_path) == name
    (tmp_path / "_toc.yml").write_text("root: index\n")
    assert commit(tmp_path) == f"{name} with changes"
    git(tmp_path, "commit", "--all", "--quiet", "--message", "second")
    git(tmp_path, "worktree", "add", "--quiet", str(tmp_path / "beside"))
    assert commit(tmp_path / "beside") == git(tmp_path, "rev-parse", "--short=12", "HEAD")


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("place", ["book", "."])
def test_a_book_unpacked_inside_another_repository_has_none(place: str, added: bool, tmp_path: Path) -> None:
    repository(tmp_path)
    root = book(tmp_path / place)
    if added:
        git(tmp_path, "add", "--all")
    assert commit(root) == "unknown"


@pytest.mark.parametrize("inside", [False, True])
def test_variables_of_git_do_not_lead_to_another_repository(
    inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, other = book(tmp_path / "book"), book(tmp_path / "other")
    repository(other)
    expected = repository(root) if inside else "unknown"
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert commit(root) == expected
    monkeypatch.setenv("GIT_WORK_TREE", str(root))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    assert commit(root) == expected
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.worktree")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(other))
    monkeypatch.delenv("GIT_DIR")
    assert commit(root) == expected


def test_without_git_or_a_commit_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(book(tmp_path), "init", "--quiet")
    assert commit(tmp_path) == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit(tmp_path) == "unknown"
