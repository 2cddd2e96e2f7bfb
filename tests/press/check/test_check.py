from pathlib import Path

import pytest

from poly.press import check
from poly.press.chapters import PressError


def test_the_first_stage_that_fails_ends_the_tests(book: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (book / "wrong.py").write_text("import os\nprint(undefined)\n")
    with pytest.raises(PressError, match="lint failed; the checks after it did not run"):
        check.run(book, fast=True)
    shown = capfd.readouterr().out
    assert shown.startswith("6 checks, on two quiet cores about ")
    assert "undefined" in shown
    assert "── 2/5" not in shown


def test_the_slowest_tests_are_told(tmp_path: Path) -> None:
    times = tmp_path / check.TIMES
    times.mkdir(parents=True)
    cases = "".join(f'<testcase classname="tests.test_a" name="test_{k}" time="{k}.5"/>' for k in range(12))
    (times / "tests.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    (times / "cut-off.xml").write_text("<testsuites><tests")
    found = check.slowest(tmp_path)
    assert len(found) == 10
    assert found[0] == (11.5, "tests.test_a.test_11")
