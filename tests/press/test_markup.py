"""Scripts in outputs are refused, texts of claims stay texts; tables and cards of the book pass."""

import re
import time
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from nbformat import NotebookNode

from poly.press import chapters, claims, markup, render
from poly.press.chapters import Page, PressError
from poly.press.claims import Claim, Prediction, ledger
from poly.press.execute import provenance
from poly.press.figures import figure_data
from poly.press.render import chapter_page
from small_book import RECORD, chapter, make_book

ROOT = Path(__file__).parents[2]


EVIL = "<script>alert(1)</script>"


# Each way to run something, and what the line says of it.
SCRIPTS = [
    (EVIL, "<script>"),
    ("<SCRIPT src=x></SCRIPT >", "<script>"),
    ("<p>x</p><script", "no plain tag"),
    ("<script/x>1</script>", "no plain tag"),
    ("<img src=x onerror=alert(1)>", "onerror=… in <img>"),
    ("<img src=x OnError = 'alert(1)'>", "onerror=… in <img>"),
    ("<img/onerror=alert(1)/src=x>", "no plain tag"),
    ('<img src="x"onerror=alert(1)>', "no plain tag"),
    ("<img src=x\n\tonload\n=\nalert(1)>", "onload=… in <img>"),
    ("<img src=x onerror=alert(1) ", "no plain tag"),
    ("<img alt='>' onerror=alert(1)>", "onerror=… in <img>"),
    ('<img alt="<b>" onerror="alert(1)">', "onerror=… in <img>"),
    ("<svg onload=alert(1)></svg>", "onload=… in <svg>"),
    ("<details open ontoggle=alert(1)>", "ontoggle=… in <details>"),
    ("<div onmouseover=a>", "onmouseover=… in <div>"),
    ("<x-y onclick=a>", "onclick=… in <x-y>"),
    ("<a href=javascript:alert(1)>x</a>", "href='javascript:alert(1)' in <a>"),
    ("<a href=' JaVa\tscript:alert(1)'>x</a>", "href='javascript:alert(1)' in <a>"),
    ("<a href='java&#115;cript:alert(1)'>x</a>", "href='javascript:alert(1)' in <a>"),
    ("<a href='java&Tab;script&colon;alert(1)'>x</a>", "href='javascript:alert(1)' in <a>"),
    ("<svg><a xlink:href='javascript:a'/></svg>", "xlink:href='javascript:a' in <a>"),
    ("<svg><animate values='1;javascript:a'/></svg>", "values='1;javascript:a' in <animate>"),
    ("<a href='vbscript:x'>x</a>", "href='vbscript:x' in <a>"),
    ("<a href='data:text/html,x'>x</a>", "href='data:text/html,x' in <a>"),
    ("<button formaction=x>", "formaction=… in <button>"),
    ("<iframe src=x></iframe>", "<iframe>"),
    ("<div srcdoc=x>", "srcdoc=… in <div>"),
    ("<object data=x>", "<object>"),
    ("<embed src=x>", "<embed>"),
    ("<meta http-equiv=refresh content='0;url=x'>", "<meta>"),
    ("<base href=x>", "<base>"),
    ("<link rel=stylesheet href=x>", "<link>"),
    ("<form action=x>", "<form>"),
    ("<textarea><img title='</textarea><img src=x onerror=a>'>", "<textarea>"),
    ("<noscript><p title='</noscript><img src=x onerror=a>'>", "<noscript>"),
    ("<!--><img src=x onerror=a>-->", "no plain tag"),
    ("<!-- x --!><img src=x onerror=a> -->", "no plain tag"),
    ("<!-- never closed", "no plain tag"),
    ("<![CDATA[ ><img src=x onerror=a> ]]>", "no plain tag"),
    ("<?xml ?>", "no plain tag"),
    ("<style><img title='</style><img src=x onerror=a>'></style>", "<style> with other things"),
    ("<style>p {color: red}", "<style> with other things"),
    ("<plaintext>", "<plaintext>"),
]  # fmt: skip


def output(kind: str, text: Any, metadata: dict[str, Any] | None = None) -> NotebookNode:
    made: Any = {"output_type": "display_data", "data": {kind: text}, "metadata": metadata or {}}
    found: NotebookNode = nbformat.from_dict(made)  # type: ignore[no-untyped-call]
    return found


def rendered(tmp_path: Path, *outputs: NotebookNode) -> None:
    """Validate a chapter with these outputs, as rendering does before all else."""
    book = make_book(tmp_path)
    page = chapters.read_pages(book)[1]
    notebook = chapter("One", "draw()")
    notebook.cells[2].outputs = list(outputs)
    render.validate({page: notebook})


@pytest.mark.parametrize(("text", "says"), SCRIPTS)
def test_a_script_in_an_output_is_refused_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PressError, match=r"^01-one: an output of the cell that begins 'draw\(\)' holds ") as caught:
        rendered(tmp_path, output("text/plain", EVIL), output("text/html", f"<p>x &lt; y</p>\n{text}"))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("application/javascript", "1"),
        ("text/javascript", "1"),
        ("application/ecmascript", "1"),
        ("application/papermill.record/application/javascript", "1"),
        ("application/papermill.record/text/html", EVIL),
        ("text/markdown", f"words\n\n{EVIL}"),
        ("text/markdown", "words <img src=x onerror=alert(1)> words"),
        ("text/markdown", "<div <img src=x onerror=alert(1) \n"),
        ("text/markdown", "- <details ontoggle=alert(1)>\n"),
        ("application/papermill.record/text/markdown", f"> {EVIL}"),
        ("image/svg+xml", f"<svg>{EVIL}</svg>"),
        ("image/svg+xml", "<?xml version='1.0'?><svg onload='alert(1)'/>"),
        ("image/svg+xml", "<!DOCTYPE svg [<!ENTITY x 'y'>]><svg/>"),
    ],
)
def test_a_script_of_another_kind_is_refused_too(kind: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(PressError, match=r"^01-one: an output of the cell that begins 'draw\(\)' holds "):
        rendered(tmp_path, output(kind, text))


@pytest.mark.parametrize(
    "caption",
    [
        EVIL,
        "A. <img src=x onerror=a>",
        "```{raw} html\n<b onclick=a>\n```",
        "- ```{include} x",
        ":::{raw} html\nx\n:::",
    ],
)
def test_a_caption_holds_words_only(caption: str, tmp_path: Path) -> None:
    data = figure_data.pack({"x": [1]}, "exact")
    figure = {"name": "fig-a", "alt": "seen", "caption": caption, "data": data}
    with pytest.raises(PressError, match=r"^01-one: an output of the cell that begins 'draw\(\)' holds "):
        rendered(tmp_path, output("image/png", "x", {"poly": {"figure": figure}}))


def test_tables_cards_drawings_and_words_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"a<b": [1, 2], "on": ["x = 1", EVIL]})
    styled = pd.DataFrame({"a < b": [1.5, 2]}, index=["on x =", "y"]).style.background_gradient().format(precision=1)
    shown: list[str] = []
    monkeypatch.setattr(claims, "display", lambda data, **_: shown.append(data["text/html"]))
    monkeypatch.setattr(claims, "_find", lambda _: CLAIM)
    claims.predict("C1")
    claims.check("C1", 1.0, 0.5, 1.5, seeds=3)
    drawing = (
        '<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC "x">\n<svg><!-- a --><title>T</title><style>p {}</style></svg>'
    )
    assert markup.html_fault(drawing, drawing=True) == ""
    rendered(
        tmp_path,
        *[output("text/html", text) for text in (table._repr_html_(), styled.to_html(), *shown)],
        output("text/html", "<p>a < b, 1 <2, one = 3 &lt;script&gt;</p><!-- kept --><br/><input type='radio' checked>"),
        output("text/html", '<img alt="x" src="data:image/png;base64,AA=="><a href="#x">y</a><style>a > b {}</style>'),
        output(
            "text/markdown", "If $a<b onx=1$, then `<script>` and a <b one = 2.\n\n    <script>\n\n*x* & <em>y</em>"
        ),
        output("text/plain", EVIL),
        output("text/latex", "$a<b$"),
        output("application/vnd.other+json", {"a": 1}),
    )
    assert len(shown) == 2


def test_all_outputs_of_this_book_pass() -> None:
    pages = chapters.find_chapters(chapters.read_pages(ROOT), [])
    outputs = [each for page in pages for _, each in chapters.outputs_of(chapters.read_notebook(page.path))]
    assert len(outputs) > 300
    assert [fault for each in outputs if (fault := markup.output_fault(each))] == []


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "text/markdown", "stream", "image/png"])
def test_an_output_without_end_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    text = "x <" * 10_000_000
    long: Any = {"output_type": "stream", "name": "stdout", "text": text}
    made: NotebookNode = nbformat.from_dict(long) if kind == "stream" else output(kind, text)  # type: ignore[no-untyped-call]
    started = time.monotonic()
    with pytest.raises(PressError, match=r"holds 30,000,000 characters, at most \d+,000,000 are shown$") as caught:
        rendered(tmp_path, made)
    assert len(str(caught.value)) < 200
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("text", ["<a " + " " * 900_000, "<a" + " b" * 450_000, "<" * 900_000, "<!--" * 200_000])
def test_no_output_keeps_the_check_busy(text: str) -> None:
    started = time.monotonic()
    markup.html_fault(text)
    assert time.monotonic() - started < 10


# Claims

TEXT = f"{EVIL} <b onclick=a> | `x` **y** [z](javascript:a) {{raw}}`q` $x$ \\ ~~s~~ \"'\n\n```{{raw}} html\n{EVIL}\n```"


CLAIM = Claim("C1", TEXT, Prediction(1.0, 0.5, TEXT), Prediction(9.0, 0.5, TEXT), TEXT, "01-one", "open", True,
              "2000-01-01", 2, f"2000-01-02: {TEXT}")  # fmt: skip


CARD = RECORD | {"id": "C1", "chapter": "01-one", "interval": TEXT, "statement": TEXT}


def written(page: str) -> Any:
    """Render the page's markdown as HTML, with everything that a renderer lets through."""
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(page))


@pytest.mark.parametrize("where", ["frame", "ledger"])
def test_texts_of_claims_stay_texts(where: str) -> None:
    notebook = chapter("One", "draw()")
    notebook.cells[2].outputs = [output("text/plain", "card", {"poly": {"claim": CARD}})]
    page = Page("book/01-one", Path("book/01-one.ipynb"))
    if where == "frame":
        cells = chapter_page.add_claims(notebook, "01-one", {"C1": CLAIM}, {}).cells
        sources = [cell.source for cell in cells if cell.id.startswith("frame")]
    else:
        parts = ledger.tables({"C1": CLAIM}, {page: notebook})
        assert parts.pop("ids") == "```{index} C1\n```\n"  # markdown, with no text of a claim in it
        sources = list(parts.values())
    assert len(sources) == (2 if where == "frame" else 5)
    for source in sources:
        made = written(source)
        assert "<script" not in made
        assert "onclick" not in re.sub(r'"[^"]*"|>[^<]*<', "><", made)
        assert not re.search(r"<(code|pre|strong|em)\b", made)
        assert 'href="javascript' not in made
        plain = re.sub(r' aria-label="[^"]*"', "", re.sub(r"(</?)select\b", r"\1div", made))
        assert markup.html_fault(plain) == ""


def test_the_foot_of_a_page_and_plain_texts_show_what_was_written() -> None:
    foot = provenance.footer({}, {"commit": TEXT, "package": "p", "requirements": "r"})
    assert "\n" not in foot
    assert markup.html_fault(foot) == ""
    assert written(markup.plain(TEXT)).count("<") == 2  # one paragraph
    shown = re.sub(r"</?p>", "", written(markup.plain("a*b*, <i>, x_1_, `c`, [d](e), $f$ | {g} \\h")))
    assert shown.strip() == "a*b*, &lt;i&gt;, x_1_, `c`, [d](e), $f$ | {g} \\h"
