"""The scripts of the pages: types, lint, and bundles that are what their sources give."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from npm import WEB, modules, npm


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy web/ and link its tools; return the copy."""
    tools, folder = modules(), tmp_path_factory.mktemp("web")
    shutil.copytree(WEB, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(tools, target_is_directory=True)
    return folder


@pytest.mark.parametrize("check", ["types", "lint"])
def test_the_sources_pass(web: Path, check: str) -> None:
    done = npm(web, "run", check)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_licenses_of_the_bundle_for_style_sheets_are_whole(web: Path) -> None:
    script = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["scripts"]["build"]
    words = shlex.split(next(command for command in script.split("&&") if "src/purge.ts" in command))[:-1]
    made = npm(web, "exec", "--", *words, f"--metafile={web / 'held.json'}", f"--outfile={web / 'made.js'}")
    assert made.returncode == 0, made.stderr
    held = json.loads((web / "held.json").read_text(encoding="utf-8"))["inputs"]
    parts = [Path(path.rpartition("node_modules/")[2]).parts for path in held if "node_modules/" in path]
    names = {"/".join(part[: 2 if part[0].startswith("@") else 1]) for part in parts}
    assert len(names) > 5
    licenses = WEB.parent / "src" / "poly" / "press" / "render" / "purge" / "purge.LICENSES.txt"
    listed = [text.splitlines()[0] for text in licenses.read_text(encoding="utf-8").split(f"\n{'-' * 80}\n\n")]
    versions = {
        name: json.loads((web / "node_modules" / name / "package.json").read_text(encoding="utf-8"))["version"]
        for name in names
    }
    assert listed == sorted(f"{name} {version}" for name, version in versions.items())


def test_the_still_picture_of_the_tour_is_its_run(web: Path) -> None:
    (web / "book" / "assets" / "playground").mkdir(parents=True)
    inside = web / "inside"
    inside.mkdir()
    for path in (*web.glob("*.json"), web / "src", web / "node_modules"):
        (inside / path.name).symlink_to(path)
    made = npm(inside, "run", "still")
    assert made.returncode == 0, made.stderr
    name = Path("book") / "assets" / "playground" / "tour.svg"
    assert (web / name).read_bytes() == (WEB.parent / name).read_bytes(), "npm run still in web/ refreshes tour.svg"


def test_the_bundles_are_what_the_sources_give(web: Path) -> None:
    script = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["scripts"]["build"]
    for command in script.split("&&"):
        *words, out = shlex.split(command)
        target = out.removeprefix("--outfile=")
        made = npm(web, "exec", "--", *words, f"--outfile={web / 'made.js'}")
        assert made.returncode == 0, made.stderr
        stored = (WEB / target).resolve()
        assert (web / "made.js").read_bytes() == stored.read_bytes(), f"npm run build in web/ refreshes {stored.name}"
