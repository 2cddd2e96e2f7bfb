"""Values for a chapter's parameters from the command line: numbers are decimal, and what is odd is one line."""

from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from poly.press import parameters, syntax
from poly.press.chapters import PressError

SOURCE = "n = 3\nrate = 0.5\nname = 'x'\nwidths = [1, 2]\nflag = True\nlarge = 10**3"


def notebook(source: str = SOURCE) -> NotebookNode:
    """A chapter that is its parameters cell."""
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
