"""Every package that is imported is declared, pinned and explained."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CODE = [path for folder in ("src", "tests", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
CHAPTERS = sorted((ROOT / "book").rglob("*.ipynb"))
LOCAL = {"poly", *(path.stem for path in CODE), *(path.parent.name for path in CODE)}
INSTALLED = packages_distributions()
# Modules of the laboratory that use an extra, and say so where it is missing.
OPTIONAL = {"dask_pool.py": ["dask"], "report.py": ["plot"], "__main__.py": ["plot"]}


def normal(name: str) -> str:
    """Return a distribution's name as package indexes compare it, without version and marker."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>;\[ ]", name.strip())[0]).lower()


def declared(*extras: str) -> set[str]:
    """Return the distributions that the package depends on, with these extras."""
    return {normal(name) for names in (PROJECT["dependencies"], *(EXTRAS[extra] for extra in extras)) for name in names}


def sources(path: Path) -> Iterator[str]:
    """Yield the Python code of a module, or that of each cell of a chapter."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield text
        return
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"])


def imported(path: Path) -> set[str]:
    """Return the top-level names that a file imports, but for the standard library and the repository's own."""
    found: set[str] = set()
    for source in sources(path):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(str(node.module).split(".")[0])
    return found - sys.stdlib_module_names - LOCAL


def undeclared(path: Path, allowed: set[str]) -> list[str]:
    """Return the imported packages of which no distribution is allowed."""
    packages = {name: {normal(one) for one in INSTALLED[name]} for name in imported(path) if name in INSTALLED}
    return sorted(name for name, distributions in packages.items() if not distributions & allowed)


@pytest.mark.parametrize("path", [*CODE, *CHAPTERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_imported_package_is_declared(path: Path) -> None:
    laboratory = path.is_relative_to(ROOT / "src") and "press" not in path.parts
    extras = OPTIONAL.get(path.name, []) if laboratory else list(EXTRAS)
    assert undeclared(path, declared(*extras)) == []


def test_an_undeclared_package_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("import json\n\nimport numpy.linalg\nfrom yaml import safe_load\n", encoding="utf-8")
    assert undeclared(path, {"numpy"}) == ["yaml"]


def test_every_declared_package_is_pinned() -> None:
    pinned = {normal(line) for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    assert declared(*EXTRAS) - pinned == set()


def test_every_declared_package_has_its_reason() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").split("## npm")[0]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")][1:]
    explained = {normal(name) for cell in cells for name in re.sub(r"\([^)]*\)", "", cell).split(",")}
    assert explained == declared(*EXTRAS)
