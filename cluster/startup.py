"""How long this worker took to start: from when it was asked for, or its process began, until it
takes up its first task."""

from __future__ import annotations

import os
import time
from pathlib import Path

_since: float | None = None


def process_began() -> float:
    """Return when this process was started, in seconds since the epoch, to a hundredth.

    The kernel counts a start in ticks since the boot (field 22 of proc_pid_stat(5)). The time of
    the boot that it tells is in whole seconds: with it, a start could lie a second before its
    cause.
    """
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age_s


def count_from(at: float) -> None:
    """Have the start of a worker begin at this time; what is forked from this process inherits
    it."""
    global _since
    _since = min(at, time.time())


def took_s() -> float:
    """Return the seconds that the start took, when asked for the first time; 0 for a worker that
    has told, or that nobody had to start."""
    global _since
    since, _since = _since, None
    return 0.0 if since is None else max(0.0, time.time() - since)
