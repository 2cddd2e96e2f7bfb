"""The Sphinx extension as a whole."""

from pathlib import Path

from poly.press import typeset
from press.typeset.sphinx_page import made


def test_equations_and_code_are_both_set(tmp_path: Path) -> None:
    page = made(tmp_path, "# Title\n\nSo $x^2$.\n\n```python\nx = 1\n```\n")
    assert page.count("<math") == 1
    assert "\\(" not in page
    assert "<pre" in page


def test_what_it_needs_lies_beside_it_with_its_licenses() -> None:
    names = {path.name for path in typeset.FOLDER.iterdir()}
    assert {"typeset.js", "temml.css", "temml.LICENSE.txt"} <= names
    assert {"stix-two-math.woff", "stix-two-math.LICENSE.txt"} <= names
