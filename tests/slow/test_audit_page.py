import re
import subprocess
import sys
from pathlib import Path

import pytest


def test_the_example_of_the_page_runs_and_prints_what_the_page_says(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "book" / "audit.md").read_text(encoding="utf-8")
    example, printed = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("python", "text"))
    assert max(map(len, example.splitlines())) <= 84
    (tmp_path / "try.py").write_text(example, encoding="utf-8")
    done = subprocess.run([sys.executable, tmp_path / "try.py"], capture_output=True, encoding="utf-8", check=False)
    assert done.stderr == ""
    number = re.compile(r"\d+\.\d+")
    for line, said in zip(done.stdout.splitlines(), printed.splitlines(), strict=True):
        assert number.sub("", line) == number.sub("", said)
        found, shown = ([float(each) for each in number.findall(text)] for text in (line, said))
        assert found == pytest.approx(shown, rel=0.05, abs=0.002), line  # training differs from machine to machine
