"""The press, tried for real on a tiny book of two chapters: execute, cache, fail, kill, resume."""

import hashlib
import json
import platform
import re
import signal
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest

from poly.press import build, chapters, disk, execute, render
from poly.press.chapters import PressError
from poly.press.figures import figure_data
from poly.press.render import notebook_page
from small_book import (
    CLAIM,
    FAIL,
    FIGURE,
    FILES,
    RECORD,
    WAIT,
    chapter,
    contents,
    edit,
    eventually,
    is_alive,
    make_book,
    outputs_of,
    press,
    times,
    write,
)

# Building


def test_a_build_leaves_the_sources_alone(finished: Path, tmp_path: Path) -> None:
    assert contents(finished) == contents(make_book(tmp_path))


def test_the_pages_hold_figures_captions_numbers_and_no_live_caption(finished: Path) -> None:
    html = finished / "_build/html"
    one = (html / "book/01-one.html").read_text(encoding="utf-8")
    assert 'alt="one dot" class="no-invert"' in one
    assert "One <em>dot</em>" in one
    assert "math" in one.partition("One <em>dot</em>")[2].partition("</figcaption>")[0]
    assert "LIVE CAPTION" not in one
    assert "one over rate: 2.0" in one
    assert "6 1,2" in (html / "book/02-two.html").read_text(encoding="utf-8")
    assert 'href="01-one.html#fig-dot"' in (html / "book/index.html").read_text(encoding="utf-8")
    claims = json.loads((html / "claims.json").read_text(encoding="utf-8"))
    assert [claim["id"] for claim in claims] == ["C1", "C2"]
    assert claims[1].items() >= RECORD.items()


def test_a_figure_offers_its_numbers_and_provenance_has_their_hash(finished: Path) -> None:
    html = finished / "_build/html"
    page = (html / "book/01-one.html").read_text(encoding="utf-8")
    links = re.findall(r'href="(\.\./_downloads/[^"]*fig-dot\.(?:csv|npz))"', page)
    assert [Path(link).suffix for link in links] == [".csv", ".npz"]
    assert (html / "book" / links[0]).read_text(encoding="utf-8") == "x,y\n1,0.5\n2,1.5\n"
    archive = (html / "book" / links[1]).read_bytes()
    found = json.loads((html / "provenance.json").read_text(encoding="utf-8"))
    assert found["chapters"]["01-one"]["figures"] == {"fig-dot": hashlib.sha256(archive).hexdigest()}
    assert found["book"]["commit"] == "unknown"
    run = found["chapters"]["02-two"]["run"]
    assert run["seeds"] == {}
    assert run["python"] == platform.python_version()
    assert run["peak_memory_gib"] > 0.02
    assert len(run["cells"]) == 3


def test_each_page_says_at_its_foot_what_it_was_made_from(finished: Path) -> None:
    for page, expected in (("book/index", 1), ("book/01-one", 10)):
        text = (finished / f"_build/html/{page}.html").read_text(encoding="utf-8")
        (foot,) = re.findall(r'<details class="provenance">.*?</details>', text, flags=re.DOTALL)
        assert foot.count("<tr>") == expected


def test_a_second_build_executes_and_renders_nothing(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, page = times(built), (built / "_build/html/index.html").stat().st_mtime_ns
    build.build(built)
    assert times(built) == before
    assert (built / "_build/html/index.html").stat().st_mtime_ns == page
    shown = capsys.readouterr().out
    assert shown.count("unchanged") == 2
    assert str(built / "_build/html/index.html") in shown


def without_foot(page: Path) -> str:
    return re.sub(r'<details class="provenance">.*?</details>', "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_rendered_again_every_page_is_the_same_byte_for_byte(built: Path) -> None:
    last = contents(built / "_build/html")
    (built / "_build/html.stamp").unlink()
    build.build(built)
    assert contents(built / "_build/html") == last


def test_one_change_executes_one_chapter_and_changes_its_page_only(built: Path) -> None:
    before = times(built)
    html = built / "_build/html"
    other, claims = without_foot(html / "book/01-one.html"), (html / "claims.json").read_bytes()
    edit(built / "src/poly/near.py", "3 * n", "5 * n")
    build.build(built)
    after = times(built)
    assert after["01-one"] == before["01-one"]
    assert after["02-two"] != before["02-two"]
    assert "12 1,2" in (html / "book/02-two.html").read_text(encoding="utf-8")
    assert without_foot(html / "book/01-one.html") == other
    assert (html / "claims.json").read_bytes() == claims


def test_a_failing_cell_is_shown_and_the_last_book_stays(built: Path, tmp_path: Path) -> None:
    write(built / "book/01-one.ipynb", chapter("One", FIGURE, FAIL))
    write(built / "book/02-two.ipynb", chapter("Two", CLAIM, WAIT + "\nchanged = 1"))
    last = contents(built / "_build/html")
    pid = tmp_path / "pid"
    started = time.monotonic()
    process = press(built, "build", KERNEL_PID=str(pid))
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "01-one: started, 3 cells" in output.splitlines()
    assert time.monotonic() - started < 60
    for part in ("01-one failed in code cell 3 of 3", "1 / 0  # no", "ZeroDivisionError"):
        assert part in errors
    assert "\x1b" not in errors
    assert "poly/press" not in errors  # no traceback of the press itself
    assert contents(built / "_build/html") == last
    eventually(lambda: not is_alive(int(pid.read_text())), 10)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_build_leaves_no_kernel_and_the_next_one_resumes(book: Path, how: signal.Signals) -> None:
    pid = book / "_build" / "pid"
    process = press(book, "build", "--jobs", "2", KERNEL_PID=str(pid))
    eventually(lambda: pid.exists() and "01-one" in times(book))
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors.strip().startswith("interrupted")
        assert len(errors.strip().splitlines()) == 1
    eventually(lambda: not is_alive(int(pid.read_text())), 10)
    before = times(book)
    assert list(before) == ["01-one"]
    assert not (book / "_build/html").exists()
    pages = chapters.read_pages(book)
    left = [Path(file.read_text()) for file in (book / "_build/jupyter").glob("sockets-*")]
    assert [folder.exists() for folder in left] == [True] * (how == signal.SIGKILL)
    results = execute.up_to_date(book, chapters.find_chapters(pages, []))
    assert not any(folder.exists() for folder in left)
    assert not list((book / "_build/jupyter").glob("sockets-*"))
    assert [result.cached for result in results] == [True, False]
    assert times(book)["01-one"] == before["01-one"]
    assert not list((book / "_build/executed").glob("*.tmp"))


def test_two_builds_at_once_are_refused(book: Path) -> None:
    with disk.exclusive_lock(book / "_build"), pytest.raises(PressError, match="another build is at work"):
        build.build(book)


def test_a_warning_of_the_renderer_fails_the_build_and_the_last_book_stays(built: Path) -> None:
    last = contents(built / "_build/html")
    edit(built / "book/index.md", "fig-dot", "fig-gone")
    with pytest.raises(PressError) as caught:
        build.build(built)
    assert "fig-gone" in str(caught.value)
    assert "book/index.md" in str(caught.value)
    assert contents(built / "_build/html") == last


def test_a_swap_that_was_cut_off_is_repaired(tmp_path: Path) -> None:
    old, html = tmp_path / "html.old", tmp_path / "html"
    old.mkdir()
    (old / "index.html").write_text("last good book")
    render.repair(tmp_path)
    assert (html / "index.html").read_text() == "last good book"
    old.mkdir()
    render.repair(tmp_path)
    assert (html / "index.html").is_file()
    assert not old.exists()


def test_a_picture_without_alt_text_and_an_error_output_never_reach_the_page(book: Path) -> None:
    with pytest.raises(PressError, match="01-one: the cell that begins 'draw\\(\\)' shows a picture without alt text"):
        notebook_page.for_the_page(outputs_of({}, kind="image/png"), "01-one")
    page = chapters.read_pages(book)[1]
    notebook = chapter("One", "fail()")
    error = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    notebook.cells[2].outputs = [nbformat.from_dict(error)]  # type: ignore[no-untyped-call]
    with pytest.raises(PressError, match="01-one holds the output of a failed cell"):
        render.render(book, book / "_build", [page], {page: notebook})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "01-one: figure 'fig-a': has no plotted numbers"),
        ({"npz": "!", "level": "exact", "tolerance": 1}, "01-one: figure 'fig-a': its plotted numbers are damaged: .*"),
        (
            figure_data.pack({"x": [1]}, "exact") | {"level": "sure"},
            "01-one: figure 'fig-a': level='sure', must be one of exact, rounding, statistical",
        ),
    ],
)
def test_a_figure_without_its_numbers_stops_the_build(book: Path, data: Any, message: str) -> None:
    page = chapters.read_pages(book)[1]
    about = {"name": "fig-a", "alt": "seen", "caption": "C", "data": data}
    with pytest.raises(PressError, match=f"^{message}$"):
        render.render(book, book / "_build", [page], {page: outputs_of({"poly": {"figure": about}})})


def test_two_figures_of_one_name_stop_the_build(book: Path) -> None:
    _, one, two = chapters.read_pages(book)
    about = {"name": "fig-a", "alt": "seen", "caption": "C", "data": figure_data.pack({"x": [1]}, "exact")}
    notebook = outputs_of({"poly": {"figure": about}})
    with pytest.raises(PressError, match=r"^02-two: figure 'fig-a' is shown in 01-one already, names are unique$"):
        render.render(book, book / "_build", [one, two], {one: notebook, two: notebook})


# One clear line


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("_toc.yml", FILES["_toc.yml"] + "- file: book/03-three\n", "_toc.yml names book/03-three, but there is no"),
        ("_toc.yml", "format: jb-book\nroot: [book\n", "_toc.yml, line .*: not valid YAML"),
        ("_toc.yml", "format: jb-book\n", "_toc.yml: "),
        ("_toc.yml", "", "_toc.yml: "),
        ("book/01-one.ipynb", "{", "01-one.ipynb is not a valid notebook"),
        ("book/claims.yml", "C1: {id: C1\n", "claims.yml, line .*: not valid YAML"),
        ("book/claims.yml", "- C1\n", "claims.yml: expected a mapping"),
        ("_toc.yml", "root: \udcff\n", "_toc.yml, byte 6: not valid UTF-8"),
        ("book/claims.yml", "C1: {statement: x}\n", "claims.yml, C1: field 'blind' is missing"),
    ],
)
def test_a_broken_book_gets_one_line(book: Path, file: str, text: str, message: str) -> None:
    (book / file).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(PressError, match=message) as caught:
        build.build(book)
    assert "\n" not in str(caught.value)
