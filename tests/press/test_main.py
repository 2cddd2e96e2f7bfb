import subprocess
import sys
from pathlib import Path

import pytest

from small_book import press


def test_the_command_line_prints_one_line_and_no_traceback(
    book: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    process = press(book / "book", "chapter", "9")  # the root is found from a folder below it
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error: no chapter '9' in _toc.yml; there are: 01-one, 02-two\n"
    assert output == ""


def test_no_command_waits_for_torch() -> None:
    code = "import sys, poly.press.__main__, poly.press.build; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
