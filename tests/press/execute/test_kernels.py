"""Kernels that are made and not started, and processes in the place of kernels."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from poly.press.execute import kernels
from small_book import eventually


def running() -> Any:
    """Return an object like a kernel, whose process sleeps, in a group of its own."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(command, start_new_session=True)
    return SimpleNamespace(provisioner=SimpleNamespace(process=process))


@pytest.mark.parametrize("named", [True, False])
def test_every_kernel_has_files_of_its_own(named: bool, tmp_path: Path) -> None:
    made = [kernels.kernel_manager(str(tmp_path), named=named) for _ in range(2)]
    assert len({kernel.connection_file for kernel in made}) == 2
    for kernel in made:
        assert Path(kernel.connection_file).parent == tmp_path
        assert kernel.transport == ("ipc" if named else "tcp")
        if named:
            assert f"{kernel.ip}.json" == kernel.connection_file


def test_only_the_kernel_of_this_interpreter_is_found(tmp_path: Path) -> None:
    found = kernels.kernel_manager(str(tmp_path), named=False).kernel_spec_manager
    assert [*found.find_kernel_specs()] == ["python3"]
    assert found.get_kernel_spec("python3").argv[0] == sys.executable


def test_a_kernel_holds_memory_until_it_is_ended(tmp_path: Path) -> None:
    kernel = running()
    try:
        eventually(lambda: kernels.memory(kernel) > 2**20)  # once Python has started
    finally:
        kernels.kill([kernel])
    assert kernel.provisioner.process.wait(timeout=10) != 0
    assert kernels.memory(kernel) == 0
    kernels.kill([kernel])  # what has ended already is left alone


def test_without_a_process_there_is_nothing_to_measure_or_end(tmp_path: Path) -> None:
    waiting = kernels.kernel_manager(str(tmp_path), named=False)
    assert kernels.memory(None) == kernels.memory(waiting) == 0
    kernels.kill([waiting, SimpleNamespace(provisioner=None)])  # type: ignore[list-item]


def test_a_log_is_a_file_for_every_chapter(tmp_path: Path) -> None:
    assert kernels.log_path(tmp_path, "two/01-one") == tmp_path / "_build/jupyter/two-01-one.log"
