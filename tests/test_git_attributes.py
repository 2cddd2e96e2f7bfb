"""Files as git stores and checks them out with the settings of another system."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def git(*words: str) -> None:
    """Run git with a name and an address for its commits."""
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.eol=crlf"])
def test_a_clone_on_windows_has_the_same_bytes(tmp_path: Path, setting: str) -> None:
    source, clone = tmp_path / "source", tmp_path / "clone"
    git("init", "-q", str(source))
    shutil.copy(ROOT / ".gitattributes", source)
    files = {"page.ts": b"a\nb\n", "Makefile": b"a:\n\tb\n", "noise.bin": b"\0\r\n\n", "old.md": b"a\r\nb\r\n"}
    for name, content in files.items():
        (source / name).write_bytes(content)
    git("-C", str(source), "add", ".")
    git("-C", str(source), "commit", "-qm", "files")
    git("-c", setting, "clone", "-q", "-c", setting, str(source), str(clone))
    for name, content in files.items():
        expected = content if name.endswith(".bin") else content.replace(b"\r\n", b"\n")
        assert (clone / name).read_bytes() == expected
