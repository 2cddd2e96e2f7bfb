"""What lies in a book's folder besides its pages, and names of pages that lead elsewhere: refused in one line."""

import os
import shutil
from pathlib import Path

import pytest

from poly.press import build, chapters, sources, stage
from poly.press.chapters import PressError
from test_press import chapter, contents, edit, make_book, write


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """The tiny book, before any build, with something beside it that is not the book's."""
    (tmp_path / "outside.md").write_text("# Mine\n", encoding="utf-8")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "secret.md").write_text("# Secret\n", encoding="utf-8")
    root = tmp_path / "root"
    root.mkdir()
    return make_book(root)


def refused(root: Path) -> str:
    """The one line that every command says of this book; nothing is written, in it or beside it."""
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
    """Put something odd at book/odd."""
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
    target = stage.emptied(book / "_build" / "stage")
    stage._lay_out(book, target, pages, {page: chapters.read_notebook(page.path) for page in pages[1:]}, {}, None)
    staged = {path.relative_to(target / "book").as_posix() for path in (target / "book").rglob("*.*")}
    assert staged >= {"index.md", "readme.md", "more/points.csv", "data/points.csv"}
    assert not any(name for name in staged if "#" in name or "~" in name or "swp" in name)
    assert not (target / "book" / "readme.md").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_in_the_place_of_the_stage_is_not_followed(book: Path) -> None:
    notes = book.parent / "notes"
    (book / "_build").mkdir()
    (book / "_build" / "stage").symlink_to(notes)
    emptied = stage.emptied(book / "_build" / "stage")
    assert not emptied.exists()
    assert not emptied.is_symlink()
    assert (notes / "secret.md").is_file()
    shutil.copy(notes / "secret.md", emptied)
    assert not stage.emptied(emptied).exists()


def test_the_book_of_the_tests_is_not_refused(book: Path) -> None:
    assert [page.docname for page in chapters.read_pages(book)] == ["book/index", "book/01-one", "book/02-two"]
