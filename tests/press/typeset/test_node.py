"""Scripts that the press runs in Node."""

import pytest

from poly.press.typeset import node


def test_a_script_that_fails_in_node_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"a script failed in Node: .*no such thing"):
        node.run("throw new Error('no such thing')")
