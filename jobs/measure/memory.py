"""Peak resident memory of this process during one trial, through the kernel's own high-water
mark."""

from __future__ import annotations

import re
from pathlib import Path

from cluster.machine import GIB

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): reset the high-water mark, touch no page flags


class PeakMemory:
    """Begins a new high-water mark; ``gb`` reads it."""

    def __init__(self) -> None:
        try:
            CLEAR.write_text(RESET_PEAK)
            self._before = 0
        except OSError:
            # Not permitted here: then only a mark above the one of earlier trials is known to be
            # this trial's.
            self._before = _high_water_kib()

    def gb(self) -> float | None:
        """Return the peak in GiB (2**30 bytes); None where it cannot be told from earlier
        trials'."""
        peak = _high_water_kib()
        return peak * 1024 / GIB if peak > self._before else None


def _high_water_kib() -> int:
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found.group(1)) if found else 0
