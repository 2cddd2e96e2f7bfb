from pathlib import Path

import pytest

from poly.press import build, chapters
from poly.press.chapters import PressError
from poly.press.check import stored_outputs
from small_book import edit, make_book

VALUES = [
    ("registered: 2026-13-45", "'2026-13-45' is no date"),
    ("registered: 2026-02-30", "'2026-02-30' is no date"),
    ("registered: 2026-01-01 25:00:00", "'2026-01-01 25:00:00' is no date"),
    ("registered: !!timestamp x", "'x' is no date"),
    ("digits: !!int x", "'x' is no whole number"),
    ("digits: !!int ''", "'' is no whole number"),
    (f"digits: {'9' * 5000}", "'9{60}' is no whole number"),
    ("digits: 0x_", "'0x_' is no whole number"),
    ("digits: !!float x", "'x' is no number"),
    ("digits: !!bool x", "'x' is no bool"),
]


@pytest.mark.parametrize(("line", "says"), VALUES)
@pytest.mark.parametrize("file", ["book/claims.yml", "_toc.yml", "_config.yml"])
def test_a_value_that_is_none_of_its_kind_names_file_and_line(tmp_path: Path, file: str, line: str, says: str) -> None:
    path = make_book(tmp_path) / file
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}odd:\n  {line}\n", encoding="utf-8")
    number = len(text.splitlines()) + 2
    with pytest.raises(PressError, match=f"^{path.name}, line {number}: not valid YAML: {says}$"):
        chapters.read_yaml(path)


@pytest.mark.parametrize("file", ["book/claims.yml", "_toc.yml"])
def test_brackets_without_end_are_one_line(tmp_path: Path, file: str) -> None:
    path = make_book(tmp_path) / file
    path.write_text("[" * 5000, encoding="utf-8")
    with pytest.raises(PressError, match=f"^{path.name}.*: not valid YAML"):
        build.build(tmp_path)


def test_an_entry_that_holds_itself_is_one_line(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    edit(book / "book/claims.yml", "statement: second", "test: &loop [*loop]")
    with pytest.raises(PressError, match=r"^claims.yml, C2: test=.*, must be a sentence$") as caught:
        stored_outputs.faults(book, chapters.read_pages(book)[1:])
    assert "\n" not in str(caught.value)
