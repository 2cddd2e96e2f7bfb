"""Test mistakes in claims.yml: each is refused in one line that names the file, the entry and what is allowed."""

from pathlib import Path

import pytest

from poly.press import build, chapters, claims
from poly.press.chapters import PressError
from poly.press.check import stored_outputs
from small_book import edit, make_book

ENTRY = """C1:
  statement: first
  prediction: {value: 0, tolerance: 1, says: zero}
  alternative: {value: 2, tolerance: 1, says: two}
  test: look
  chapter: 03-three
  expected: open
  blind: true
  registered: 2000-01-01
  digits: 1
"""


def loaded(folder: Path, old: str, new: str) -> claims.Claim:
    """Replace a text in the entry of the claim, and return the claim."""
    assert old in ENTRY
    (folder / "claims.yml").write_text(ENTRY.replace(old, new), encoding="utf-8")
    return claims.load(folder / "claims.yml")["C1"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("value: 0", "value: true", "prediction: value=True, must be a number"),
        ("value: 0", "value: no", "prediction: value=False, must be a number"),
        ("value: 0", "value:", "prediction: value=None, must be a number"),
        ("value: 0", "value: [0]", r"prediction: value=\[0\], must be a number"),
        ("value: 0", "value: '0x1'", "prediction: value='0x1', must be a number"),
        ("value: 0", "value: ' 1 '", "prediction: value=' 1 ', must be a number"),
        ("value: 0", "value: '1_0'", "prediction: value='1_0', must be a number"),
        ("value: 0", "value: 2000-01-01", "prediction: value=datetime.*, must be a number"),
        ("value: 0", f"value: 1{400 * '0'}", "prediction must be finite"),
        ("value: 0", "value: 1e999", "prediction must be finite"),
        ("value: 2", "value: on", "alternative: value=True, must be a number"),
        ("tolerance: 1", "tolerance: yes", "prediction: tolerance=True, must be a number"),
        ("says: zero", "says:", "prediction: says=None, must be a few words"),
        ("says: zero", "says: ' '", "prediction: says=' ', must be a few words"),
        ("says: zero", "says: 0", "prediction: says=0, must be a few words"),
        ("says: two", "says: ''", "alternative: says='', must be a few words"),
        (
            "says: zero",
            "says: zero, who: me",
            "prediction: unknown field 'who', allowed are margin, says, tolerance, value, why",
        ),
        (
            "says: two",
            "says: two, 5: so",
            "alternative: unknown field 5, allowed are margin, says, tolerance, value, why",
        ),
        ("  digits: 1", "  digits: 1\n  5: x\n  y: x", "unknown field 5, allowed are alternative, amended, "),
        ("digits: 1", "digits: 18", "digits=18, must be a whole number from 0 to 17"),
        ("digits: 1", "digits: false", "digits=False, must be a whole number"),
        ("statement: first", "statement: ' '", "statement=' ', must be a sentence"),
        ("test: look", "test: 5", "test=5, must be a sentence"),
        ("chapter: 03-three", "chapter:", "chapter=None, must be a chapter's name"),
        ("registered: 2000-01-01", "registered:", "registered=None, must be a date"),
    ],
)
def test_a_field_of_another_kind_is_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"^claims.yml, C1: {says}") as caught:
        loaded(tmp_path, old, new)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["010", "-010", "0x10", "0b11", "1:30", "1:30.5", "0_7", "00.5"])
def test_a_number_in_another_base_is_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(ValueError, match=f"^claims.yml: '{number}' is no decimal number.* line 3") as caught:
        loaded(tmp_path, "value: 0", f"value: {number}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "value"),
    [("1e-6", 1e-6), ("1.0e-6", 1e-6), (".5", 0.5), ("0.5", 0.5), ("-0", 0), ("1_000", 1000), ("+2", 2), ("0", 0)],
)
def test_decimal_numbers_are_read(tmp_path: Path, number: str, value: float) -> None:
    assert loaded(tmp_path, "value: 0", f"value: {number}").prediction.value == value


@pytest.mark.parametrize("name", ['C1"><script>', "C 1", "C1&", "<b>", "Ü1", "C" * 41, "C1\n", ""])
def test_an_id_is_a_part_of_addresses(tmp_path: Path, name: str) -> None:
    text = ENTRY.replace("C1:", f"? {name!r}\n:")
    text = text.replace("'C1\\n'", '"C1\\n"')
    (tmp_path / "claims.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^claims.yml, '.*': an id must be letters, digits") as caught:
        claims.load(tmp_path / "claims.yml")
    assert "\n" not in str(caught.value)


def test_every_command_says_it_at_once(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    edit(book / "book/claims.yml", "2000-01-01", "2026-13-45")
    pages = chapters.read_pages(book)[1:]
    commands = (
        lambda: build.build(book),
        lambda: build.build_chapter(book, "1", []),
        lambda: build.record_chapters(book, [], dry_run=True),
        lambda: stored_outputs.faults(book, pages),
    )
    for command in commands:
        with pytest.raises(PressError, match=r"^claims.yml, line 1: not valid YAML: '2026-13-45' is no date$"):
            command()
