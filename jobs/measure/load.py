"""CPU time: the machine's, and this process tree's own; their difference is other people's load."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STAT = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CpuTimes:
    """CPU seconds since some start, of the CPUs that this process may use."""

    busy: float
    """In which one of them ran anything."""
    stolen: float
    """In which the hypervisor ran another machine instead."""
    own: float
    """That this process, its children and theirs used."""


def cpu_times() -> CpuTimes:
    """Read them now."""
    allowed = os.sched_getaffinity(0)
    busy = stolen = 0.0
    for line in STAT.read_text().splitlines()[1:]:
        name, *fields = line.split()
        if not name.startswith("cpu"):
            break
        if int(name[3:]) in allowed:
            user, nice, system, _idle, _iowait, irq, softirq, steal = (
                int(field) for field in fields[:8]
            )
            busy += user + nice + system + irq + softirq  # guests are in user already
            stolen += steal
    return CpuTimes(busy / _TICKS, stolen / _TICKS, _own())


def family() -> set[int]:
    """Process ids of this process and its descendants."""
    if not Path(
        f"/proc/self/task/{os.getpid()}/children"
    ).exists():  # a kernel without CONFIG_PROC_CHILDREN
        return {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    found: set[int] = set()
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        found.add(pid)
        # Asking each thread is a few small files; psutil would read the parent of every process of
        # the machine.
        waiting += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # the process ended while we looked
        for thread in list(Path(f"/proc/{pid}/task").iterdir()):
            with suppress(OSError):  # or one of its threads did
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def _own() -> float:
    total = 0.0
    for pid in family():
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.Error:
            continue
        # A child that ended is in its parent's children_*, once that has waited for it.
        total += times.user + times.system + times.children_user + times.children_system
    return total


def disturbance(first: CpuTimes, last: CpuTimes, seconds: float, cpus: int) -> list[str]:
    """Return what disturbed a trial with ``cpus`` CPUs between two readings.

    Others may use what the trial was not promised: a sibling worker on its own CPUs is no
    disturbance. Only what they took beyond that came out of the trial's share, and only more than a
    tenth of it (and of a CPU a fifth) counts, on average.
    """
    available = len(os.sched_getaffinity(0))
    others = max(0.0, (last.busy - first.busy) - (last.own - first.own)) / seconds
    stolen = (last.stolen - first.stolen) / seconds
    reasons = []
    taken = others - max(0, available - cpus)
    if taken > max(0.2, 0.1 * cpus):
        reasons.append(
            f"host load beyond the trial's own: {others:.1f} of {available} CPUs, where {cpus} "
            "were promised to it"
        )
    if stolen > 0.1 * available:
        reasons.append(f"CPU time taken by the hypervisor: {stolen:.1f} of {available} CPUs")
    return reasons
