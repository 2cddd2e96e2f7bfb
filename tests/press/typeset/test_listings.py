"""Code in the pages that Sphinx makes."""

from pathlib import Path

from pygments import highlight
from pygments.lexers import PythonLexer

from poly.press.typeset.listings import Formatter
from press.typeset.sphinx_page import made


def test_code_keeps_its_colors_and_loses_marks_without_one(tmp_path: Path) -> None:
    page = made(tmp_path, '# Title\n\n```python\nx = 1\nf"a"\n```\n')
    assert '<pre>x = <span class="mi">1</span>\n<span class="s2">f"a"</span>\n</pre>' in page


def test_what_is_inside_a_string_is_code_again() -> None:
    text = highlight('f"a{b!r}" + rb"c" if g(1) else None', PythonLexer(), Formatter())
    assert text == (
        '<div class="highlight"><pre><span class="s2">f"a</span>{b!r}<span class="s2">"</span> + '
        '<span class="s2">rb"c"</span> <span class="k">if</span> g('
        '<span class="mi">1</span>) <span class="k">else</span> <span class="kc">None</span>\n</pre></div>\n'
    )
