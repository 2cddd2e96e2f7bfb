"""Measure the cores and the memory that this process may use, as its containers and control groups allow."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

# Memory for a chapter: on two cores most held below 1 GiB, and one 3.5 (the run-time page lists them).
KERNEL = 1.5 * 2**30
# Memory for a process of a sweep or of a test: torch, the package, and what the process computes.
PROCESS = 0.5 * 2**30
_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cores() -> int:
    """Count the cores that this process may use: those it is bound to, fewer where its quota is smaller."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(int(quota) for quota in _quotas())]))


def memory() -> float:
    """Measure the bytes that this process may still take: what is free, less where its group is limited."""
    return min([float(psutil.virtual_memory().available), *_left()])


def fitting(wanted: int, each: float, held: float | None = None) -> int:
    """Count how many of ``wanted`` processes fit into memory, at least one.

    Args:
        wanted: the most that are of use.
        each: the bytes that each takes.
        held: the bytes for all of them; None: what is left.
    """
    return max(1, min(wanted, int((memory() if held is None else held) / each)))


def _quotas() -> Iterator[float]:
    """Yield the quota, in cores, of every control group around this process that has one."""
    for group in _groups("cpu"):
        words = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            yield int(words[0]) / int(words[1])


def _left() -> Iterator[float]:
    """Yield the bytes that every group around this process may still take. The system frees unused pages of files."""
    for group in _groups("memory"):
        limit = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
        used = _words(group / "memory.current") or _words(group / "memory.usage_in_bytes")
        if limit and used and limit[0].isdecimal() and used[0].isdecimal():
            words = _words(group / "memory.stat")
            stat = dict(zip(words[::2], words[1::2], strict=False))
            idle = stat.get("total_inactive_file") or stat.get("inactive_file") or "0"
            yield max(0.0, float(limit[0]) - float(used[0]) + float(idle))


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process' groups, from its own upward. A container may see its own as the uppermost."""
    for line in _text(_OWN).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        for mount in [_CGROUPS / controllers, _CGROUPS / controller] if controllers else [_CGROUPS]:
            own = mount / path.strip("/")
            yield from (group for group in (own, *own.parents) if group.is_relative_to(mount))


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # another system, or another version of groups
        return ""
