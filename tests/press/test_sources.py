"""Test that odd files in a book's folder, and pages outside of it, are refused in one line."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from nbformat import NotebookNode

from poly.press import build, chapters, disk, render, sources
from poly.press.chapters import Page, PressError
from poly.press.execute import cache_key
from small_book import chapter, contents, edit, make_book, outputs_of, write


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Make the tiny book, before any build, with files beside it that are not the book's."""
    (tmp_path / "outside.md").write_text("# Mine\n", encoding="utf-8")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "secret.md").write_text("# Secret\n", encoding="utf-8")
    root = tmp_path / "root"
    root.mkdir()
    return make_book(root)


def refused(root: Path) -> str:
    """Return the one line with which every command refuses this book; check that nothing is written."""
    before = contents(root.parent)
    for command in (build.build, build.build_stored):
        with pytest.raises(PressError) as caught:
            command(root)
        assert "\n" not in str(caught.value)
    assert contents(root.parent) == before
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "../outside.md",
        "book/../../outside",
        "book/../README",
        "book/./02-two",
        "book//02-two",
        "/book/02-two",
        "{above}/outside",
        "{above}/outside.md",
        "book\\\\02-two",
        "book/..\\\\outside",
        "C:/book/02-two",
        "book/C:02-two",
        "README",
        "book",
        "book/.hidden/page",
        "book/__pycache__/page",
        "book/02-two ",
        "book/new\\nline",
        "book/nul\\0byte",
    ],
)
def test_a_page_outside_of_the_book_is_refused(book: Path, name: str) -> None:
    (book / "README.md").write_text("# Read me\n", encoding="utf-8")
    edit(book / "_toc.yml", "book/02-two", f'"{name.format(above=book.parent)}"')
    assert refused(book).startswith("_toc.yml names ")


def test_settings_of_matplotlib_beside_the_chapters_are_refused(book: Path) -> None:
    (book / "book" / "matplotlibrc").write_text("font.size: 30\n", encoding="utf-8")
    assert refused(book).startswith("book/matplotlibrc: matplotlib would read it")


def test_the_root_page_may_not_lie_outside_either(book: Path) -> None:
    edit(book / "_toc.yml", "root: book/index", "root: ../outside")
    assert refused(book).startswith("_toc.yml names '../outside', must be a path below book/")


@pytest.mark.parametrize("name", ["book/01-one.ipynb", "book/01-One", "book/01-ONE.ipynb"])
def test_a_page_is_named_once_whatever_the_case(book: Path, name: str) -> None:
    other = book / f"{name.removesuffix('.ipynb')}.ipynb"
    if not other.exists():
        write(other, chapter("Again"))
    edit(book / "_toc.yml", "book/02-two", name)
    assert "names 'book/01-one' and" in refused(book)


@pytest.mark.parametrize("toc", ["defaults: 5\nroot: book/index\n", "root: book/index\nchapters: 5\n", "root: 5\n"])
def test_a_table_of_contents_of_another_form_is_refused(book: Path, toc: str) -> None:
    (book / "_toc.yml").write_text(toc, encoding="utf-8")
    assert refused(book).startswith("_toc.yml")


def odd_file(book: Path, kind: str) -> None:
    """Put a named pipe, a circle of links, or another link at book/odd."""
    odd = book / "book" / "odd"
    match kind:
        case "fifo":
            os.mkfifo(odd)
        case "two links in a circle":
            odd.symlink_to("even")
            (book / "book" / "even").symlink_to("odd")
        case "below a linked folder":
            (book / "more").mkdir()
            (book / "more" / "page.md").symlink_to(book.parent / "outside.md")
            odd.symlink_to(book / "more")
        case target:
            odd.symlink_to(target)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("../../outside.md", "must lead to a file of the book"),
        ("../../notes", "must lead to a file of the book"),
        ("/", "must lead to a file of the book"),
        ("../_build/stage", "leads to no file"),
        ("gone.md", "leads to no file"),
        ("odd", "leads to no file"),
        ("two links in a circle", "leads to no file"),
        (".", "a folder that holds this link"),
        ("..", "a folder that holds this link"),
        ("below a linked folder", "must lead to a file of the book"),
        ("fifo", "must be a file or a folder"),
    ],
)
def test_what_cannot_be_staged_is_named(book: Path, kind: str, says: str) -> None:
    odd_file(book, kind)
    line = refused(book)
    assert line.startswith("book/")
    assert says in line


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_the_folder_of_the_build_is_no_part_of_the_book(book: Path) -> None:
    (book / "_build" / "stage").mkdir(parents=True)
    odd_file(book, "../_build")
    assert "must lead to a file of the book" in refused(book)


@pytest.mark.skipif(os.name != "posix", reason="names of any bytes")
@pytest.mark.parametrize("name", [b"odd-\xff.md", b"two\nlines.md", b"\xed\xa0\x80.md"])
def test_a_name_that_no_system_shows_is_refused(book: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(book / "book") + b"/" + name)).write_text("x")
    line = refused(book)
    assert line.endswith("its name must be printable UTF-8")
    assert line.isascii()


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_an_editor_s_files_are_passed_over_and_links_within_the_book_are_followed(book: Path) -> None:
    folder = book / "book"
    (folder / ".#index.md").symlink_to("someone@machine.123:456")
    (folder / "data" / ".#points.csv").symlink_to("someone@machine.123:456")
    for name in ("index.md~", "#index.md#", ".index.md.swp"):
        (folder / name).write_text("half of a page")
    (book / "README.md").write_text("# Read me\n", encoding="utf-8")
    (folder / "readme.md").symlink_to("../README.md")
    (folder / "more").symlink_to("data")
    assert sources.book_faults(book) == []
    pages = chapters.read_pages(book)
    target = disk.emptied(book / "_build" / "stage")
    render._lay_out(book, target, pages, {page: chapters.read_notebook(page.path) for page in pages[1:]}, {}, None)
    staged = {path.relative_to(target / "book").as_posix() for path in (target / "book").rglob("*.*")}
    assert staged >= {"index.md", "readme.md", "more/points.csv", "data/points.csv"}
    assert not any(name for name in staged if "#" in name or "~" in name or "swp" in name)
    assert not (target / "book" / "readme.md").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_hidden_circle_that_a_chapter_names_is_no_data(book: Path) -> None:
    (book / "book" / "data" / ".loop").symlink_to(".loop")
    assert cache_key.data_files(book / "book", ["data/.loop"]) == []


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_in_the_place_of_the_stage_is_not_followed(book: Path) -> None:
    notes = book.parent / "notes"
    (book / "_build").mkdir()
    (book / "_build" / "stage").symlink_to(notes)
    emptied = disk.emptied(book / "_build" / "stage")
    assert not emptied.exists()
    assert not emptied.is_symlink()
    assert (notes / "secret.md").is_file()
    shutil.copy(notes / "secret.md", emptied)
    assert not disk.emptied(emptied).exists()


def test_the_book_of_the_tests_is_not_refused(book: Path) -> None:
    assert [page.docname for page in chapters.read_pages(book)] == ["book/index", "book/01-one", "book/02-two"]


# The folder of the build


@pytest.mark.parametrize("name", ["_build", "_build/stored", "_build/executed", "_build/jupyter"])
@pytest.mark.parametrize("kind", ["file", "dangling link", "link to a file"])
def test_what_stands_in_the_place_of_a_folder_is_named(book: Path, name: str, kind: str) -> None:
    path = book / name
    path.parent.mkdir(exist_ok=True)
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to("gone" if kind == "dangling link" else book / "_config.yml")
    command = build.build_stored if name == "_build/stored" else build.build
    with pytest.raises(PressError, match=f"^{path}: (a link to|must be a folder).*: remove it$") as caught:
        command(book)
    assert "\n" not in str(caught.value)
    assert not (book / "gone").exists()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_in_which_nothing_can_be_written_is_named(
    book: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(book / "_build"))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(PressError, match=f"^{book / '_build'}: cannot be made: {os.strerror(number)}$"):
            build.build(book)
    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(PressError, match=f"^cannot lock {book / '_build'}: {os.strerror(number)}$"):
        build.build(book)


def no_execution(book: Path) -> dict[Page, NotebookNode]:
    return {page: outputs_of({}) for page in chapters.read_pages(book)[1:]}


@pytest.mark.parametrize("what", ["copy", "write", "bytes"])
def test_a_full_disk_while_staging_is_one_line_and_the_last_book_stays(
    book: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    html = book / "_build" / "html"
    html.mkdir(parents=True)
    (html / "index.html").write_text("the last book")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = {"copy": (shutil, "copyfile"), "write": (render, "_fill"), "bytes": (render, "_stamp")}[what]
    monkeypatch.setattr(*place, full)
    with pytest.raises(PressError, match=r"No space left on device.*; the last book stays$") as caught:
        render.render(book, book / "_build", chapters.read_pages(book), no_execution(book))
    assert "\n" not in str(caught.value)
    assert str(book) in str(caught.value)
    assert (html / "index.html").read_text() == "the last book"


@pytest.mark.parametrize("file", ["book/index.md", "book/glossary.md", "_config.yml"])
def test_a_text_that_is_not_utf_8_is_named(book: Path, file: str) -> None:
    (book / file).write_bytes(b"# caf\xe9\n")
    with pytest.raises(PressError, match=f"^{Path(file).name}, byte 5: not valid UTF-8$"):
        render.render(book, book / "_build", chapters.read_pages(book), no_execution(book))


@pytest.mark.parametrize("text", ["- 1", "5", "repository: x", "repository: [x]", "html: 5", "x"])
def test_settings_of_another_form_are_refused(book: Path, text: str) -> None:
    (book / "_config.yml").write_text(text, encoding="utf-8")
    with pytest.raises(PressError, match=r"^_config.yml: .*must be a mapping of settings$"):
        render.render(book, book / "_build", chapters.read_pages(book), no_execution(book))


@pytest.mark.parametrize("name", ["html", "html.old", "render"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "file"])
def test_what_stands_in_the_place_of_the_last_book_is_replaced_and_no_link_is_followed(
    book: Path, name: str, kind: str
) -> None:
    notes, out = book.parent / "notes", book / "_build"
    new = out / "render" / "_build" / "html" if name != "render" else out / "new"
    new.mkdir(parents=True)
    (new / "index.html").write_text("new book")
    if kind == "file":
        (out / name).write_text("mine")
    else:
        (out / name).symlink_to(notes if kind == "link" else "gone")
    before = contents(notes)
    render.repair(out)
    render._swap(new, out)
    assert (out / "html" / "index.html").read_text() == "new book"
    assert not (out / "html").is_symlink()
    assert not any(os.path.lexists(out / each) for each in ("html.old", "render"))
    assert contents(notes) == before


def test_the_page_knows_of_a_change_in_a_package_within_the_press(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "PRESS", tmp_path / "press")
    module = tmp_path / "press" / "render" / "page.py"
    module.parent.mkdir(parents=True)
    (tmp_path / "stage").mkdir()
    stamps = set()
    for source in ("one = 1", "one = 2"):
        module.write_text(source)
        stamps.add(render._stamp(tmp_path, tmp_path / "stage", strict=True))
    assert len(stamps) == 2
