"""Test parameters from the command line: numbers are decimal, and a faulty value gives one line of error."""

from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from poly.press import build, syntax
from poly.press.chapters import PressError
from poly.press.execute import parameters
from small_book import chapter, contents, times

SOURCE = "n = 3\nrate = 0.5\nname = 'x'\nwidths = [1, 2]\nflag = True\nlarge = 10**3"


def notebook(source: str = SOURCE) -> NotebookNode:
    """Make a chapter that consists of its parameters cell only."""
    cell = new_code_cell(source, metadata={"tags": ["parameters"]})  # type: ignore[no-untyped-call]
    found: NotebookNode = new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
    return found


def read(word: str) -> Any:
    (value,) = parameters.read_parameters([word], parameters.known_parameters(notebook()), "one").values()
    return value


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("n=010", 10),
        ("n=-007", -7),
        ("n=1_000", 1000),
        ("n=9007199254740993.0", 9007199254740993),
        ("n=1.5e1", 15),
        ("rate=010.5", 10.5),
        ("rate=+1.5e2", 150.0),
        ("rate=5e-324", 5e-324),
        ("rate=0e-999", 0.0),
        ("rate=inf", float("inf")),
        ("rate=-.inf", float("-inf")),
        ("name='010'", "010"),
        ("name=2000-01-01", "2000-01-01"),
        ("name=1:30", "1:30"),
        ("widths=[010, 08]", [10, 8]),
        ("large=010", 10),
        ("large=1.5", 1.5),
        ("large=[010, {a: 1e3}]", [10, {"a": 1000.0}]),
    ],
)
def test_numbers_are_decimal(word: str, value: object) -> None:
    assert repr(read(word)) == repr(value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("n=1:30", "n=1:30: expected a whole number, like its default 3"),
        ("rate=1:30.5", "rate=1:30.5: expected a number, like its default 0.5"),
        ("n=0x10", "n=0x10: expected a whole number"),
        ("n=0b11", "n=0b11: expected a whole number"),
        ("n=0o17", "n=0o17: expected a whole number"),
        ("n=１２", "n=１２: expected a whole number"),
        ("n=1__0", "n=1__0: expected a whole number"),
        ("n=2000-01-01", "n=2000-01-01: expected a whole number"),
        ("rate=2000-01-01T01:02:03Z", "rate=2000-01-01T01:02:03Z: expected a number"),
        ("widths=[1, 1:30]", "expected a list of at least one, each a whole number"),
        ("name=010", "name=010: expected a word"),
        ("rate=1e999", "^rate=1e999: too large for a number of 64 bits$"),
        ("rate=-1.5e+400", "too large for a number of 64 bits"),
        ("rate=1e-999", "too small for a number of 64 bits"),
        ("widths=[1, 1e999]", "too large for a number of 64 bits"),
        ("large=1e999", "too large for a number of 64 bits"),
        ("rate=" + "9" * 400, "9: too large for a number of 64 bits"),
        ("n=" + "9" * 5000, "9: too large for a number of 64 bits"),
        ("n=1e999999999999999999999", "too large for a number of 64 bits"),
        ("n=1e300", "n=1e300: too large for a whole number of 64 bits"),
        ("n=9223372036854775808", "too large for a whole number of 64 bits"),
        ("n=!!int x", "^n=!!int x: has a tag, an anchor or a reference, which a parameter cannot have$"),
        ("flag=!!bool x", "has a tag, an anchor or a reference"),
        ("large=!number x", "has a tag, an anchor or a reference"),
        ("widths=&a [*a]", "has a tag, an anchor or a reference"),
        ('name="\\U00110000"', "not valid YAML"),
        ("name=a\0b", "not valid YAML"),
        ("widths=" + "[" * 5000, "not valid YAML"),
    ],
)
def test_what_is_no_value_is_refused_in_one_line(word: str, message: str) -> None:
    with pytest.raises(PressError, match=message) as caught:
        read(word)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("n = 3\nrate = = 1", "^one: its parameters cell, line 2, is no Python: invalid syntax$"),
        ("n = (", "^one: its parameters cell, line 1, is no Python: '\\(' was never closed$"),
        ("n = 3\n  rate = 1", "^one: its parameters cell, line 2, is no Python: unexpected indent$"),
        ("n = '\0'", "^one: its parameters cell.* null"),
    ],
)
def test_a_parameters_cell_that_is_no_python_is_one_line(source: str, message: str) -> None:
    with pytest.raises(PressError, match=message) as caught:
        parameters.known_parameters(notebook(source), "one")
    assert "\n" not in str(caught.value)
    assert syntax.parsed(source) is None  # a build goes on until the kernel says what is wrong


def test_a_parameters_cell_may_hold_magics_and_odd_values() -> None:
    known = parameters.known_parameters(notebook("%matplotlib inline\nn = 3\nodd = {[1]: 2}"))
    assert [(name, found.default) for name, found in known.items()] == [("n", 3), ("odd", None)]


# Parameters


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("n=64", 64),
        ("n=1e3", 1000),
        ("n=-2", -2),
        ("rate=2", 2.0),
        ("rate=1e-5", 1e-5),
        ("rate=.inf", float("inf")),
        ("name=abc", "abc"),
        ("name=a=b", "a=b"),
        ("flag=false", False),
        ("widths=[3]", [3]),
        ("large=5", 5),
    ],
)
def test_parameters_are_read(word: str, value: object) -> None:
    known = parameters.known_parameters(chapter("One"))
    values = parameters.read_parameters([word], known, "01-one")
    (got,) = values.values()
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nn=1"], r"01-one has no parameter 'nn'; it has: n = 3, rate = 0.5, name = 'x', widths = \[1, 2\], flag"),
        (["n=abc"], "n=abc: expected a whole number, like its default 3"),
        (["n=1.5"], "n=1.5: expected a whole number"),
        (["n=.inf"], "n=.inf: expected a whole number"),
        (["n=true"], "n=true: expected a whole number"),
        (["n="], "n=: expected a whole number"),
        (["rate=abc"], "rate=abc: expected a number"),
        (["flag=1"], "flag=1: expected true or false"),
        (["name=5"], "name=5: expected a word"),
        (["widths=5"], r"widths=5: expected a list of at least one, each a whole number, like its default \[1, 2\]"),
        (["widths=[1, x]"], "expected a list of at least one, each a whole number"),
        (["widths=[]"], "expected a list of at least one, each a whole number"),
        (["--n", "5"], "'--n' is no parameter: write name=value"),
        (["widths=[1"], "not valid YAML"),
        (["n"], "'n' is no parameter: write name=value"),
        (["n=1", "n=2"], "n is given twice"),
    ],
)
def test_parameters_are_refused_in_one_line(words: list[str], message: str) -> None:
    known = parameters.known_parameters(chapter("One"))
    with pytest.raises(PressError, match=message) as caught:
        parameters.read_parameters(words, known, "01-one")
    assert "\n" not in str(caught.value)


def test_a_chapter_with_other_parameters_has_a_folder_of_its_own(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, last = times(built), contents(built / "_build/html")
    build.build_chapter(built, "1", ["rate=0.25"])
    out = built / "_build/chapter/01-one/rate=0.25"
    page = out / "html/book/01-one.html"
    assert "one over rate: 4.0" in (out / "01-one.ipynb").read_text(encoding="utf-8")
    assert "one over rate: 4.0" in page.read_text(encoding="utf-8")
    assert str(page) in capsys.readouterr().out
    assert (times(built), contents(built / "_build/html")) == (before, last)
    with pytest.raises(PressError, match=r"(?s)01-one failed in code cell 4 of 4.*rate must be positive, got nan"):
        build.build_chapter(built, "01-one", ["rate=.nan"])
