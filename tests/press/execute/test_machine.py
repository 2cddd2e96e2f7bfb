"""Cores and memory that a process may use: quotas and limits of both versions of control groups."""

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from poly.press import execute
from poly.press.execute import machine

GIB = 2**30


@pytest.fixture(autouse=True)
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a machine of 64 cores with 100 GiB of free memory, and no control groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=100 * GIB))
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "_OWN", tmp_path / "own")
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)


def files(tmp_path: Path, own: str, **texts: str) -> None:
    """Write the list of the process's control groups, and their files by path."""
    (tmp_path / "own").write_text(f"1:name=systemd:/elsewhere\n{own}\n")
    for name, text in texts.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("own", "texts", "cores"),
    [
        ("0::/", {}, 64),
        ("0::/", {"cpu.max": "100000 100000"}, 1),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "350000 100000"}, 3),
        ("0::/", {"cpu.max": "max 100000"}, 64),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ("0::/a/b", {"a/b/cpu.max": "9900000 100000", "other/cpu.max": "200000 100000"}, 64),
        ("0::/", {"cpu.max": ""}, 64),
        (
            "4:cpu,cpuacct:/d",
            {"cpu,cpuacct/d/cpu.cfs_quota_us": "200000", "cpu,cpuacct/d/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("4:cpu,cpuacct:/host", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu,cpuacct:/d", {"cpu/d/cpu.cfs_quota_us": "-1", "cpu/d/cpu.cfs_period_us": "100000"}, 64),
        ("4:cpuset:/d", {"cpuset/d/cpu.cfs_quota_us": "100000", "cpuset/d/cpu.cfs_period_us": "100000"}, 64),
    ],
)
def test_cores_are_those_of_the_smallest_quota(tmp_path: Path, own: str, texts: dict[str, str], cores: int) -> None:
    assert machine.cores() == 64
    files(tmp_path, own, **texts)
    assert machine.cores() == cores


def test_cores_are_those_that_the_process_is_bound_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path, "0::/", **{"cpu.max": "300000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 7}, raising=False)
    assert machine.cores() == 2


@pytest.mark.parametrize(
    ("own", "texts", "left"),
    [
        ("0::/", {}, 100),
        ("0::/", {"memory.max": "max", "memory.current": f"{GIB}"}, 100),
        ("0::/", {"memory.max": f"{8 * GIB}", "memory.current": f"{3 * GIB}"}, 5),
        (
            "0::/a",
            {
                "a/memory.max": f"{8 * GIB}",
                "a/memory.current": f"{7 * GIB}",
                "a/memory.stat": f"anon 1\ninactive_file {GIB}",
            },
            2,
        ),
        ("0::/a/b", {"a/memory.max": f"{4 * GIB}", "a/memory.current": f"{5 * GIB}"}, 0),
        (
            "9:memory:/d",
            {"memory/d/memory.limit_in_bytes": f"{4 * GIB}", "memory/d/memory.usage_in_bytes": f"{GIB}"},
            3,
        ),
        ("9:memory:/d", {"memory/memory.limit_in_bytes": f"{2**63 - 4096}", "memory/memory.usage_in_bytes": "0"}, 100),
    ],
)
def test_memory_is_what_the_strictest_group_leaves(tmp_path: Path, own: str, texts: dict[str, str], left: int) -> None:
    files(tmp_path, own, **texts)
    assert machine.memory() == left * GIB


def test_many_cores_start_no_more_kernels_and_processes_than_memory_holds(tmp_path: Path) -> None:
    assert machine.fitting(machine.cores(), machine.KERNEL) == 64
    assert execute.environment(tmp_path, 4)["LOKY_MAX_CPU_COUNT"] == "49"
    files(tmp_path, "0::/", **{"memory.max": f"{6 * GIB}", "memory.current": "0"})
    assert machine.fitting(machine.cores(), machine.KERNEL) == 4
    assert execute.environment(tmp_path, 4)["LOKY_MAX_CPU_COUNT"] == "2"
    files(tmp_path, "0::/", **{"memory.max": "1000", "memory.current": "900"})
    assert machine.fitting(machine.cores(), machine.KERNEL) == 1
    assert execute.environment(tmp_path, 1)["LOKY_MAX_CPU_COUNT"] == "1"
