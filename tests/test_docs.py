"""The pages for contributors name files, commands and modules that exist."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
# Folders in which a short name such as `press/build.py` or `dense.py` is looked for.
SHORT = [ROOT, *(ROOT / folder for folder in ("src/poly", "src/poly/press", "web/src", "benchmarks", "tests/browser"))]
SUFFIXES = r"(?:py|md|yml|toml|txt|ipynb|js|ts|css|bib)"
# Files that the text names and that no checkout holds.
MADE = {"Temml-STIX2.css", "tests/.../test_name.py", "book/NN-name.ipynb"}


def quoted(page: Path) -> list[str]:
    """Return the texts between backticks in a page, without its blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL))


def exists(name: str) -> bool:
    """Return whether a file or a folder has this name, in full or as the press and the laboratory shorten it."""
    folders = [*SHORT, *(path for path in (ROOT / "src" / "poly").rglob("*") if path.is_dir())]
    return any((folder / name).exists() for folder in folders)


def lost(page: Path) -> list[str]:
    """Return the files that a page names and that do not exist."""
    files = [name for name in quoted(page) if re.fullmatch(rf"[\w./-]+(?:/|\.{SUFFIXES})", name)]
    return [name for name in files if name not in MADE and not name.startswith("_build") and not exists(name)]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_named_files_exist(page: Path) -> None:
    assert lost(page) == []


def test_a_file_that_is_gone_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`src/poly/model.py`, `press/frame.py`, `flow_dense.py`, `flow/`\n", encoding="utf-8")
    assert lost(page) == ["press/frame.py", "flow_dense.py"]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_of_make_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"^make ([a-z]+)|`make ([a-z]+)", text, re.MULTILINE)
    assert {name for pair in named for name in pair if name} - TARGETS == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_modules_that_are_run_exist(page: Path) -> None:
    for name in re.findall(r"-m (poly[\w.]*)", page.read_text(encoding="utf-8")):
        path = ROOT / "src" / Path(*name.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


def test_contributing_is_one_page_that_leads_to_every_topic() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 70
    assert [name for name in NAMES if name.startswith("docs/") and f"({name})" not in text] == []


def test_the_layout_names_every_module() -> None:
    text = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    modules = [path for path in (ROOT / "src" / "poly").rglob("*.py") if path.name != "__init__.py"]
    assert [path.name for path in modules if path.name not in text] == []


def test_the_layout_lists_what_each_chapter_imports() -> None:
    text = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `((?:\d\d|appendix|playground)[^`]*)` \| (.*) \|$", text, flags=re.MULTILINE))
    listed = {page: set(re.findall(r"`(?:\w+/)*(\w+)(?:\.py|/)`", row)) for page, row in rows.items()}
    assert listed == {path.stem: _imports(path) for path in (ROOT / "book").glob("*.ipynb")}


def _imports(path: Path) -> set[str]:
    """Return the modules of the laboratory that a chapter imports, but for those that nearly all import."""
    found = set()
    for cell in nbformat.read(path, as_version=4).cells:  # type: ignore[no-untyped-call]
        for node in ast.walk(ast.parse(cell.source if cell.cell_type == "code" else "")):
            if not isinstance(node, ast.ImportFrom):
                continue
            package = str(node.module).split(".")
            if package[0] == "poly" and package[:2] != ["poly", "press"]:
                folder = ROOT.joinpath("src", *package)
                for name in (alias.name for alias in node.names):
                    is_module = (folder / f"{name}.py").is_file() or (folder / name).is_dir()
                    found.add(name if is_module else package[-1])
    return found - {"checks", "inference", "sweep", "archive", "perturb"}
