import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from poly.press import text_comparison
from poly.press.chapters import notebook_text
from poly.press.check import snapshots as stored_outputs
from poly.press.figures.levels import Rule

LOOSE = Rule("rounding", 0.1)


@pytest.mark.parametrize(
    ("before", "after", "allowed", "equal"),
    [
        ("22 of 40", "22 of 40", None, True),
        ("22 of 40", "23 of 40", None, False),
        ("22 of 40", "23 of 41", LOOSE, True),
        ("22 of 40", "25 of 40", LOOSE, False),
        ("22 of 40", "22 in 40", LOOSE, False),
        ("22 of 40", "22 of 40 of 1", LOOSE, False),
        ("−0.12 (−0.20 to 1,000)", "−0.13 (−0.19 to 1,050)", LOOSE, True),
        ("−0.12", "0.12", LOOSE, False),
        ("1, 1000", "2, 1000", LOOSE, False),
        ("[1,2,30]", "[1,2,31]", LOOSE, True),
        ("(1,2)", "(12)", LOOSE, False),
        ("64f446e553", "64f446e554", LOOSE, False),
        ("30, 31", "30, 30", Rule("rounding", absolute=1.0), True),
        ("1e-07", "2e-07", LOOSE, False),
    ],
)
def test_numbers_are_compared_as_numbers(before: str, after: str, allowed: Rule | None, equal: bool) -> None:
    assert text_comparison.same(before, after, allowed) is equal


@pytest.mark.parametrize(
    ("before", "after", "equal"),
    [
        ("0.58 (−19.73 to 20.90)", "0.58 (−19.74 to 20.89)", True),
        ("−0.00", "0.01", True),
        ("1.20e-05", "1.21e-05", True),
        ("20.90", "20.88", False),
        ("0.0999", "0.100", True),
        ("1,000.5", "1,000.6", True),
        ("20", "21", False),
        ("1e-05", "2e-05", False),
        ("20.90 %", "20.89", False),
    ],
)
def test_on_small_grids_the_last_digit_of_a_fraction_may_be_the_next(before: str, after: str, equal: bool) -> None:
    assert text_comparison.same(before, after, None, small=True) is equal
    assert not text_comparison.same(before, after, None)


def test_a_cell_says_what_it_allows() -> None:
    assert text_comparison.rule({}) is None
    assert text_comparison.rule({"poly": {"text": {"absolute": 2.0}}}) == Rule("rounding", absolute=2.0)
    small = {"poly": {"text": {"small": {"absolute": 1}}}}
    assert text_comparison.rule(small) is None
    assert text_comparison.rule(small, small=True) == Rule("rounding", absolute=1)
    refused = [{"tolerance": 2}, {"wide": 1}, 5, {}, {"redrawn": 1}, {"small": 5}]
    for given in (*refused, {"absolute": 1, "small": {"absolute": -1}}):
        with pytest.raises(ValueError, match=r"^metadata poly, text: .*, must have tolerance or absolute: "):
            text_comparison.rule({"poly": {"text": given}})


@pytest.mark.parametrize(
    ("stored", "allowed", "passes"),
    [("22", {}, False), ("22", {"absolute": 4.0}, True), ("12", {"absolute": 4.0}, False)],
)
def test_nbval_compares_by_the_level_of_the_cell(tmp_path: Path, stored: str, allowed: Any, passes: bool) -> None:
    """Execute a cell that prints 23 and shows it, and compare it with stored outputs."""
    outputs = [
        new_output("stream", text=f"within {stored} %\n"),  # type: ignore[no-untyped-call]
        new_output("execute_result", data={"text/plain": f"{stored}"}, execution_count=1),  # type: ignore[no-untyped-call]
    ]
    metadata = {"poly": {"text": allowed}} if allowed else {}
    cell = new_code_cell("print('within 23 %')\n23", outputs=outputs, execution_count=1, metadata=metadata)  # type: ignore[no-untyped-call]
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})  # type: ignore[no-untyped-call]
    (tmp_path / "a.ipynb").write_text(notebook_text(notebook), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "poly.press.text_comparison",
        "--nbval",
        "--nbval-current-env",
        "a.ipynb",
    ]
    command.append("--junitxml=report.xml")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if passes else 1), done.stdout
    (case,) = ElementTree.parse(tmp_path / "report.xml").iter("testcase")
    level = "allowed are ±1e-06 of it ± 4 (rounding)" if allowed else "must be the same (exact)"
    says = (
        f"differs: it says 'within 23 %', and said 'within {stored} %': {stored} moved by +{23 - int(stored)}, {level}"
    )
    assert stored_outputs.fault(case) == ("" if passes else says)
