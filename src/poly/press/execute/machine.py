"""What of the machine this process may use: processor cores and memory, as its containers and groups allow."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

# Room for a chapter: on two cores most held below 1 GiB, and one 3.5 (the run-time page lists them).
KERNEL = 1.5 * 2**30
# A process with torch and the laboratory in it, and room for what it computes: a sweep's, or a test's.
PROCESS = 0.5 * 2**30
_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def cores() -> int:
    """The processor cores that this process may use: those it is bound to, fewer where its quota is smaller."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(int(quota) for quota in _quotas())]))


def memory() -> float:
    """The bytes that this process may still take: what the machine has left, less where its group is limited."""
    return min([float(psutil.virtual_memory().available), *_left()])


def fitting(wanted: int, each: float, held: float | None = None) -> int:
    """How many of ``wanted`` processes fit into the memory (``held``, else what is left), at least one."""
    return max(1, min(wanted, int((memory() if held is None else held) / each)))


def _quotas() -> Iterator[float]:
    """The quota of every group around this process, in cores; version 1 writes −1 and version 2 "max" for none."""
    for group in _groups("cpu"):
        words = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            yield int(words[0]) / int(words[1])


def _left() -> Iterator[float]:
    """What every group around this process may still take; pages of files that nobody uses are given up at need."""
    for group in _groups("memory"):
        limit = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
        used = _words(group / "memory.current") or _words(group / "memory.usage_in_bytes")
        if limit and used and limit[0].isdecimal() and used[0].isdecimal():
            words = _words(group / "memory.stat")
            stat = dict(zip(words[::2], words[1::2], strict=False))
            idle = stat.get("total_inactive_file") or stat.get("inactive_file") or "0"
            yield max(0.0, float(limit[0]) - float(used[0]) + float(idle))


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process' groups, from its own upward; a container may see its own as the uppermost."""
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
