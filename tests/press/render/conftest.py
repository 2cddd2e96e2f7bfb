"""Rendered pages, before the press makes them small."""

from pathlib import Path

import pytest
from PIL import Image

from press.render.tiny_page import PAGE, SCRIPT, SHEET, SOLID


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
    files = {
        "page.html": PAGE,
        "search.html": PAGE,
        "_static/theme.css": SHEET,
        "_static/basic.css": "body { margin: 1px }",
        "_static/book.css": ".used-later { top: 0; & b { top: 1px } }",  # a class that a script makes
        "_static/documentation_options.js": "const DOCUMENTATION_OPTIONS = {};\n",
        "_static/scripts/pydata-sphinx-theme.js": SCRIPT,
        "_static/scripts/fontawesome.js": "const unused = 1;",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / SOLID).parent.mkdir(parents=True)
    (tmp_path / SOLID).write_bytes((theme / "vendor/fontawesome/webfonts/fa-solid-900.ttf").read_bytes())
    (tmp_path / "_images").mkdir()
    Image.new("RGBA", (30, 20), (255, 0, 0, 255)).save(tmp_path / "_images" / "dot.png")
    return tmp_path
