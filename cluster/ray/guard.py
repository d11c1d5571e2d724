"""Outlives a driver that was killed, and ends what its Ray left: ``python cluster/ray/guard.py
FOLDER``. Standard library only.

Ray's own processes notice that their driver is gone, some at once and some after half a minute;
what a task had started notices nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

MARK = "RUNNER_RAY_FOLDER"
"""The variable that every process of one Ray, and all that they start, carry in their
environment."""

_POLL_S = 0.1
_KILLED_WITHIN_S = 5.0


def marked(folder: Path) -> list[int]:
    """Return the processes of the Ray that lives in this folder, but for the caller."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):  # it is gone, or another user's
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def end(folder: Path, grace_s: float) -> None:
    """Have none of them left when this returns, and no folder; but what even SIGKILL does not end
    is left alone.

    Args:
        folder: Of the Ray.
        grace_s: How long they may take to go by themselves.
    """
    until = time.monotonic() + grace_s
    while (processes := marked(folder)) and time.monotonic() < until + _KILLED_WITHIN_S:
        if time.monotonic() >= until:
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Wait for the parent to be gone; whoever closes in good order ends this process first."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    end(Path(sys.argv[1]), grace_s=0)


if __name__ == "__main__":
    main()
