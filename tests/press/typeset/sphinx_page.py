"""Pages that Sphinx makes with the press's extension."""

from io import StringIO
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

SETTINGS = {
    "extensions": ["myst_parser", "poly.press.typeset"],
    "myst_enable_extensions": ["amsmath", "dollarmath"],
    "html_theme": "basic",
}


def made(folder: Path, text: str, **settings: object) -> str:
    """Make a page of markdown, and return its article; fail if Sphinx warns."""
    page = (book(folder, {"index.md": text}, **settings) / "index.html").read_text(encoding="utf-8")
    return page.partition('<div class="body" role="main">')[2].partition('<div class="sphinxsidebar"')[0]


def book(folder: Path, pages: dict[str, str], **settings: object) -> Path:
    """Make pages of markdown, and return the folder of their HTML; fail if Sphinx warns."""
    for name, text in pages.items():
        path = folder / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    out, warnings = folder / "out", StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            srcdir=folder / "source",
            confdir=None,
            outdir=out,
            doctreedir=folder / "doctrees",
            buildername="html",
            confoverrides=SETTINGS | settings,
            status=None,
            warning=warnings,
        )
        try:
            app.build()
        finally:
            (folder / "warnings").write_text(warnings.getvalue(), encoding="utf-8")
    assert not warnings.getvalue()
    return out
