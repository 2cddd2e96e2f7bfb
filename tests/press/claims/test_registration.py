"""Claims are registered before their numbers, and commits prove it."""

from pathlib import Path

import pytest

from poly.press import claims
from poly.press.chapters import PressError
from poly.press.claims import Claim, registry
from press.claims.test_ledger import LEDGER
from press.execute.test_provenance import git

NUMBER = '{"poly": {"claim": {"id": "A", "measured": 1}}}'
ONE = {"A": LEDGER["A"]}


def commit(root: Path, name: str, text: str) -> str:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", name)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, registry.ENTRIES, "A:\n  statement: It is one.\n")
    return tmp_path


def test_an_entry_is_registered_by_its_commit_once(root: Path) -> None:
    first = git(root, "rev-parse", "HEAD")
    assert registry.register(root, ONE) == ["A"]
    assert registry.read(root)["A"] == {"entry": claims.fingerprint(ONE["A"]), "amended": "", "commit": first}
    commit(root, "book/01-one.ipynb", NUMBER)
    assert registry.register(root, ONE) == []
    registry.store_fingerprints(root, ONE)  # recording keeps the commit
    assert registry.read(root)["A"]["commit"] == first
    assert registry.order(root, ONE) == ([], 0)


def test_changes_that_no_commit_holds_cannot_be_registered(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (root / registry.ENTRIES).write_text("A:\n  statement: It is two.\n", encoding="utf-8")
    with pytest.raises(PressError, match=r"^book/claims\.yml has changes that no commit holds"):
        registry.register(root, ONE)
    with pytest.raises(PressError, match="no commit holds"):
        registry.register(tmp_path_factory.mktemp("unversioned"), ONE)


def test_a_number_that_is_stored_already_is_said(root: Path) -> None:
    late = commit(root, "book/01-one.ipynb", NUMBER)
    with pytest.raises(PressError, match=f"claim A: its number was stored when it was registered, in {late[:12]}"):
        registry.register(root, ONE)
    said: dict[str, Claim] = {"A": ONE["A"]._replace(with_number=True, blind=False)}
    assert registry.register(root, said) == ["A"]
    assert registry.order(root, said) == ([], 0)
    says = f"claim A: its number was stored when it was registered, in {late[:12]}: say with_number"
    assert registry.order(root, ONE) == ([says], 0)


def test_a_commit_without_the_entry_registers_nothing(root: Path) -> None:
    registry.register(root, ONE)
    found = registry.read(root)
    empty = commit(root, registry.ENTRIES, "B:\n  statement: It is two.\n")
    registry._write(root, {"A": found["A"] | {"commit": empty}})
    assert registry.order(root, ONE)[0] == [f"claim A: its registering commit {empty[:12]} has no such entry"]
    registry._write(root, {"A": found["A"] | {"commit": ""}})
    assert registry.order(root, ONE)[0] == ["claim A: no commit has registered it: `make register`"]


def test_entries_whose_commits_are_not_here_are_counted(root: Path) -> None:
    registry.register(root, ONE)
    registry._write(root, {"A": registry.read(root)["A"] | {"commit": "0" * 40}})
    assert registry.order(root, ONE) == ([], 1)
