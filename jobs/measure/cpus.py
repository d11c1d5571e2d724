"""The CPUs and the memory that this process was granted, as the kernel says; nothing is copied from
what was asked for."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import psutil

ROOT = Path("/")


def granted(root: Path = ROOT) -> float:
    """CPUs that this process can keep busy: its affinity or the tightest cgroup quota above it, the
    smaller.

    Args:
        root: Folder that holds ``proc`` and the paths that it names.
    """
    affinity = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return affinity if quota is None else min(affinity, quota)


@cache
def model(root: Path = ROOT) -> str | None:
    """The processor's name; None where the kernel does not tell."""
    for line in _lines(root / "proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return None


def installed() -> int:
    """CPUs of the node."""
    return os.cpu_count() or 1


@cache
def ram_gb() -> float:
    """Memory of the node in GB (1e9 bytes)."""
    return float(psutil.virtual_memory().total) / 1e9


@cache
def _quota(root: Path) -> float | None:
    """CPUs that the cgroups allow (v1 and v2); None where nothing limits. Groups do not change
    while a process lives."""
    found = [_of_group(folder) for folder in _groups(root)]
    return min((quota for quota in found if quota is not None), default=None)


def _groups(root: Path) -> list[Path]:
    """Folders of this process's CPU control groups, from its own up to the mount."""
    own = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        own[controllers] = group
    folders = []
    path: str | None
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        mounted, mount = before.split()[3:5]
        if kind == "cgroup2":
            path = own.get("")
        elif kind == "cgroup" and "cpu" in options.split()[-1].split(","):
            path = next(
                (path for controllers, path in own.items() if "cpu" in controllers.split(",")), None
            )
        else:
            continue
        if path is not None:
            top = root / mount.lstrip("/")
            inner = path.removeprefix(mounted.rstrip("/")).strip("/")
            folder = top / inner
            # In a container the path may be the host's and not exist here: then the mount itself is
            # this process's group.
            folders += (
                [folder, *(parent for parent in folder.parents if parent.is_relative_to(top))]
                if folder.is_dir()
                else [top]
            )
    return folders


def _of_group(folder: Path) -> float | None:
    limit = _lines(folder / "cpu.max")  # v2: "150000 100000" or "max 100000"
    if limit:
        quota, period = limit[0].split()
        return None if quota == "max" else int(quota) / int(period)
    quotas, periods = (
        _lines(folder / "cpu.cfs_quota_us"),
        _lines(folder / "cpu.cfs_period_us"),
    )  # v1: -1 is no limit
    if quotas and periods and int(quotas[0]) > 0:
        return int(quotas[0]) / int(periods[0])
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
