"""Test the executed form of a source: layout, comments and docstrings do not change it, all else does."""

import pytest

from poly.press import syntax

CODE = """
import math


def f(x):
    return [math.sin(x), "a # b"]


class A:
    def g(self):
        pass
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import math", '"""A module."""\nimport math  # for the sine'),
        ("def f(x):", "def f( x ):\n    # why\n    '''Of x.'''\n"),
        ("class A:", "class A:\n    '''A class.'''\n"),
        ("        pass", "        '''Nothing.'''"),
        ("\n", "\r\n"),
    ],
)
def test_what_is_not_executed_is_of_no_account(old: str, new: str) -> None:
    assert syntax.executed(CODE.replace(old, new)) == syntax.executed(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a # b"', '"a"'),
        ("sin", "cos"),
        ("def f(x):", "def f(x=1):"),
        ("        pass", "        'a'; 'b'"),
        ("math.sin(x)", "-math.sin(x)"),
    ],
)
def test_what_is_executed_counts(old: str, new: str) -> None:
    assert syntax.executed(CODE.replace(old, new)) != syntax.executed(CODE)


@pytest.mark.parametrize("source", ["x = (", "x = '\0'", "not python at all"])
def test_what_does_not_parse_counts_as_it_is(source: str) -> None:
    assert syntax.executed(source) == source


def test_commands_of_ipython_are_understood() -> None:
    assert "run_line_magic" in syntax.executed("%matplotlib inline\nx = 1  # one")
    assert syntax.executed("%matplotlib inline\nx = 1") == syntax.executed("%matplotlib inline\nx  = 1")
