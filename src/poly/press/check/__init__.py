"""Run the checks of `make test` one after another; the first that fails ends the run."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from rich.table import Table

from poly.press.chapters import PressError, find_chapters, read_pages
from poly.press.check import reproduce, small_grids, snapshots, stored_outputs
from poly.press.execute import machine
from poly.press.execute.progress import console, duration

# The folder in which pytest notes how long each test took.
TIMES = Path("_build") / "test" / "times"
_SLOWEST = 10


class Check(NamedTuple):
    """A check.

    Attributes:
        name: what the terminal shows.
        seconds: how long it takes on two idle cores, about.
        run: the function that returns whether the check passed.
        fast: whether it belongs to a fast run: it executes, renders and opens no chapter.
    """

    name: str
    seconds: float
    run: Callable[[], bool]
    fast: bool = False


def run(root: Path, *, fast: bool, execute: bool = False) -> None:
    """Run the checks in order, and show the time of each.

    With `fast`, checks that execute or render chapters, or that need a browser, are left out.

    Raises:
        PressError: a check failed. Those after it did not run.
    """
    times: list[tuple[str, float]] = []
    checks = [check for check in _checks(root, execute=execute) if check.fast or not fast]
    for path in (root / TIMES).glob("*.xml"):
        path.unlink()
    print(f"{len(checks)} checks, on two quiet cores about {duration(sum(check.seconds for check in checks))}:")
    for check in checks:
        print(f"  {check.name:<15} {duration(check.seconds)}", flush=True)
    for number, check in enumerate(checks, 1):
        print(f"── {number}/{len(checks)} {check.name}", flush=True)
        started = time.monotonic()
        passed = check.run()
        times.append((check.name, time.monotonic() - started))
        if not passed:
            _table(times, failed=True)
            _show_slowest(root)
            raise PressError(f"{check.name} failed; the checks after it did not run")
    _table(times, failed=False)
    _show_slowest(root)


def _checks(root: Path, *, execute: bool = True) -> list[Check]:
    workers = str(machine.fitting(machine.cores(), machine.PROCESS))
    # Many unit tests wait for other processes: one worker more than there are cores uses that time.
    more = str(machine.fitting(machine.cores() + 1, machine.PROCESS))
    others = [f"--ignore=tests/{folder}" for folder in ("browser", "slow")]
    browser, html = root / "tests" / "browser", root / "_build" / "stored" / "html"  # as "rendering" leaves it
    checks = [
        Check("lint", 1, lambda: _python(root, "ruff", "check", "."), fast=True),
        Check("format", 1, lambda: _python(root, "ruff", "format", "--check", "."), fast=True),
        Check("layers", 2, lambda: _layers(root), fast=True),
        Check("stored outputs", 5, lambda: stored_outputs.check(root), fast=True),
        Check("types", 45, lambda: _types(root), fast=True),
        Check("unit tests", 350, lambda: _tests(root, "tests", *others, "-n", more), fast=True),
        Check("slow tests", 180, lambda: _tests(root, "tests/slow", "-n", more)),
        Check("chapters", 510, lambda: _chapters(root, again=execute)),
        Check("small grids", 120, lambda: _small_grids(root)),
        Check("rendering", 40, lambda: _python(root, "poly.press", "build", "--stored")),
    ]
    if browser.is_dir():
        # Tests of one file share the pages that they load.
        files = ("-n", workers, "--dist", "loadfile")
        checks.append(Check("browser", 430, lambda: _tests(root, "tests/browser", *files, POLY_HTML=str(html))))
    return checks


def _types(root: Path) -> bool:
    """Check types on one core, and compile what the tests call on another."""
    with subprocess.Popen([sys.executable, "tests/compile_kernels.py"], cwd=root) as compiling:
        passed = _python(root, "mypy")
    return passed and compiling.returncode == 0


def _layers(root: Path) -> bool:
    """Check that no module imports one of a layer above its own."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache", "--no-logo"], cwd=root, check=False).returncode == 0


def _chapters(root: Path, *, again: bool) -> bool:
    """Check that another run of every chapter gives the stored text and the stored numbers of figures."""
    pages = find_chapters(read_pages(root), [])
    found = snapshots.chapters(root, pages, {}, again=again)  # with the variables of a build
    for fault in found["faults"]:
        print(fault)
    if found["faults"]:
        print(
            "Does rounding explain this? `make perturb` moves every start in its last digit, and shows what that moves."
        )
    print(f"{found['cells']} cells and {found['figures']} figures hold")
    return not found["faults"]


def _small_grids(root: Path) -> bool:
    seed = reproduce.commit_seed(root)
    print(
        f'perturbed with seed {seed}, of this commit; again by `make perturb ARGS="--small --seed {seed}"`', flush=True
    )
    faults = small_grids.check(root, seed)
    for fault in faults:
        print(fault)
    print(f"{len(faults)} differences beyond their level")
    return not faults


def _python(root: Path, module: str, *arguments: str, **variables: str) -> bool:
    environment = os.environ | variables
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=root, env=environment, check=False)
    return done.returncode == 0


def _tests(root: Path, folder: str, *arguments: str, **variables: str) -> bool:
    times = root / TIMES / f"{folder.replace('/', '-')}.xml"
    return _python(root, "pytest", folder, *arguments, "-q", f"--junitxml={times}", **variables)


def slowest(root: Path) -> list[tuple[float, str]]:
    """List the slowest tests of the last run with their times in seconds, the slowest first."""
    found: list[tuple[float, str]] = []
    for path in (root / TIMES).glob("*.xml"):
        with contextlib.suppress(ElementTree.ParseError):  # the file of an interrupted run
            cases = ElementTree.parse(path).iter("testcase")
            found += [(float(case.get("time", 0)), f"{case.get('classname')}.{case.get('name')}") for case in cases]
    return sorted(found, reverse=True)[:_SLOWEST]


def _show_slowest(root: Path) -> None:
    if found := slowest(root):
        print("the slowest tests:")
    for seconds, name in found:
        print(f"  {seconds:5.1f} s  {name:.110}", flush=True)


def _table(times: list[tuple[str, float]], *, failed: bool) -> None:
    table = Table("check", box=None, header_style="bold")
    table.add_column("time", justify="right")
    table.add_column("")
    for number, (name, seconds) in enumerate(times, 1):
        table.add_row(name, duration(seconds), "failed" if failed and number == len(times) else "passed")
    console().print(table)
