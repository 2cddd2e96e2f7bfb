"""Equations in the pages that Sphinx makes."""

import re
from pathlib import Path
from typing import Any

import pytest
from sphinx.errors import SphinxError

from poly.press.typeset import node
from press.typeset.sphinx_page import made

PAGE = """# Title

So $a < b_i$ holds.

$$
a \\\\ b
$$ (one)

See {eq}`one`.
"""


def test_equations_are_mathml_and_keep_their_number(tmp_path: Path) -> None:
    page = made(tmp_path, PAGE)
    assert "\\(" not in page
    assert "\\[" not in page
    inline, display = re.findall(r"<math.*?</math>", page, re.DOTALL)
    assert "<mi>a</mi><mo>&lt;</mo><msub><mi>b</mi><mi>i</mi></msub>" in inline
    assert 'display="block"' in display
    assert 'display="block"' not in inline
    assert re.search(r'id="equation-one">\s*<span class="eqno">\(1\)<a.*?</a></span><div class="equation"><math', page)
    assert '<a class="reference internal" href="#equation-one">(1)</a>' in page


def test_an_equation_without_a_number_has_none(tmp_path: Path) -> None:
    page = made(tmp_path, "# Title\n\n$$\na\n$$\n\n\\begin{align*}\na &= b\n\\end{align*}\n")
    assert page.count('<div class="equation"><math') == 2
    assert "eqno" not in page


def test_paragraphs_of_a_block_stand_below_each_other(tmp_path: Path) -> None:
    page = made(tmp_path, "# Title\n\n```{math}\na \\\\ b\n\nc\n```\n")
    assert page.count("<mtr>") == 1 + 2 + 2  # the block has two paragraphs, the first of two lines
    assert 'alttext="\\begin{align}\\begin{aligned}\\begin{split}a \\\\ b\\end{split}\\\\c\\end{aligned}' in page


def test_no_line_breaks_between_an_equation_and_what_stands_at_it(tmp_path: Path) -> None:
    page = made(tmp_path, "# Title\n\nSo ($a$), and $c$ so, “$d$” ends $e$.\n\n$f$\n")
    tied = re.findall(r'<span class="tied">(.*?)</span>', page, re.DOTALL)
    assert len(tied) == 3
    assert re.fullmatch(r"\(<math alttext=.*</math>\),", tied[0])
    assert re.fullmatch(r"“<math alttext=.*</math>”", tied[1])
    assert re.fullmatch(r"<math alttext=.*</math>\.", tied[2])
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))
    assert "So (a), and c so, “d” ends e. f" in words


def test_equations_say_their_tex(tmp_path: Path) -> None:
    page = made(tmp_path, PAGE)
    assert '<math alttext="a &lt; b_i">' in page
    assert '<math alttext="\\begin{split} a \\\\ b \\end{split}" display="block"' in page


def test_a_comma_separates_numbers_as_in_tex(tmp_path: Path) -> None:
    page = made(tmp_path, PAGE.replace("a < b_i", "(0.8,0.6) + 10{,}000"))
    assert '<mn>0.8</mn><mo separator="true">,</mo><mn>0.6</mn>' in page
    assert "10" in page


@pytest.mark.parametrize(
    ("wrong", "says"), [("\\foo", "\\foo"), ("{", "Expected '}'"), ("\\frac 1", "argument"), ("a_", "missing")]
)
def test_an_equation_that_tex_cannot_read_is_named_with_its_place(tmp_path: Path, wrong: str, says: str) -> None:
    with pytest.raises(SphinxError, match=r"^1 of 2 equations cannot be set$"):
        made(tmp_path, PAGE.replace("a < b_i", wrong))
    warning = (tmp_path / "warnings").read_text(encoding="utf-8").strip()
    place, _, message = warning.partition(" ERROR: ")
    assert re.sub("\x1b\\[[0-9;]*m", "", place) == f"{tmp_path / 'source' / 'index.md'}:3:"
    assert says in message.partition(" in the equation ")[0]
    assert repr(wrong) in message


def test_all_equations_of_a_book_are_set_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts, run = [], node.run

    def counted(script: str) -> Any:
        scripts.append(script)
        return run(script)

    monkeypatch.setattr(node, "run", counted)
    page = made(tmp_path, "# Title with $x$\n\n## Another, $y$\n\n" + "".join(f"$a_{n}$ " for n in range(9)))
    assert page.count("<math") == 11
    assert len(scripts) == 1
