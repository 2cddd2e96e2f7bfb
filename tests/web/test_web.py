"""The scripts of the pages: types, lint, and bundles that are what their sources give."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from npm import WEB, modules, npm


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of web/ with its tools."""
    tools, folder = modules(), tmp_path_factory.mktemp("web")
    shutil.copytree(WEB, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(tools, target_is_directory=True)
    return folder


@pytest.mark.parametrize("check", ["types", "lint"])
def test_the_sources_pass(web: Path, check: str) -> None:
    done = npm(web, "run", check)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_bundles_are_what_the_sources_give(web: Path) -> None:
    script = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["scripts"]["build"]
    for command in script.split("&&"):
        *words, out = shlex.split(command)
        target = out.removeprefix("--outfile=")
        made = npm(web, "exec", "--", *words, f"--outfile={web / 'made.js'}")
        assert made.returncode == 0, made.stderr
        stored = (WEB / target).resolve()
        assert (web / "made.js").read_bytes() == stored.read_bytes(), f"npm run build in web/ refreshes {stored.name}"
