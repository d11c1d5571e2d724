"""Processes of this machine seen from outside: what they hold, how they died, how to end them."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_OF_ALL = _PROC / "vmstat"
_KIB = 1024
_GONE_WITHIN_S, _LOOK_S = 10.0, 0.02


@dataclass(frozen=True)
class Birth:
    """Which process of this machine: a number is given to another process later, and never with the
    same time of birth."""

    pid: int
    ticks: int
    """When it started, in clock ticks since the machine booted."""

    @classmethod
    def of(cls, pid: int) -> Birth | None:
        """Return that of a process which is there now; None if none is."""
        try:
            # The name, in parentheses, may hold anything.
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return cls(pid, int(fields[19]))

    @property
    def lives(self) -> bool:
        """Return whether the process is there still, and has not ended; false for one that nobody
        has waited for yet."""
        try:
            process = psutil.Process(self.pid)
            return Birth.of(self.pid) == self and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def end(self) -> None:
        """End it and all it started, and have it gone on return; nothing happens if it is gone."""
        until = time.monotonic() + _GONE_WITHIN_S
        while self.lives and time.monotonic() < until:
            kill_tree(self.pid)
            time.sleep(_LOOK_S)


def kill_tree(pid: int) -> None:
    """End a process and all it started, at once; nothing happens if it is gone."""
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def held_bytes(pid: int, limit: int) -> int:
    """Return the memory that a process and its children hold for themselves: anonymous and shared,
    without the files they map.

    Mapped files are page cache, which the kernel takes back when it needs to. Pages that a fork
    shares are first counted for each process, and exactly (which is slow) only if that sum is
    beyond the limit.
    """
    pids = [process.pid for process in _tree(pid)]
    upper = sum(_fields(each, "status", ("RssAnon:", "RssShmem:")) for each in pids)
    return (
        upper
        if upper <= limit
        else sum(_fields(each, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for each in pids)
    )


def end_descendants(within_s: float = _GONE_WITHIN_S) -> None:
    """End all that this process has started, directly or not, and have none left on return; but
    what even SIGKILL does not end."""
    me = psutil.Process()
    until = time.monotonic() + within_s
    while (left := me.children(recursive=True)) and time.monotonic() < until:
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_LOOK_S)


class OomKills:
    """Whether the kernel's out-of-memory killer was at work in the last seconds: in this process's
    memory cgroup, which a job has for itself, or where there is none on this machine."""

    def __init__(self) -> None:
        self._counter = _oom_counter()
        now = self._count()
        # A process that holds much takes seconds to go on a busy machine. A neighbor's death is not
        # to be taken for it.
        looks = 2 if self._counter == _OF_ALL else 20
        self._seen: deque[tuple[float, int]] = deque([(0.0, now)] * looks, maxlen=looks)

    def tick(self) -> None:
        """Remember the count; to be called about once a second."""
        self._seen.append((time.monotonic(), self._count()))

    def lately(self) -> bool:
        """Return whether it killed something within the last twenty ticks, the last two where only
        the machine's count is to be had."""
        return self._count() > self._seen[0][1]

    def _count(self) -> int:
        """The kernel's own count; 0 where it does not tell."""
        return _oom_kills(self._counter) or 0


def _oom_counter() -> Path:
    """The file in which the kernel counts what it killed for its memory, as near to this process as
    there is one."""
    with suppress(OSError):
        for line in (_PROC / "self" / "cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            below = path.lstrip("/")
            for counter in (
                _CGROUPS / "memory" / below / "memory.oom_control",
                _CGROUPS / below / "memory.events",
            ):
                if below and controllers in ("", "memory") and _oom_kills(counter) is not None:
                    return counter
    return _OF_ALL


def _oom_kills(counter: Path) -> int | None:
    """The line ``oom_kill`` of a file; None if it has none."""
    with suppress(OSError):
        for line in counter.read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


def _tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants; empty if it is gone. Never this process itself."""
    if pid == os.getpid():
        return []
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _fields(pid: int, file: str, names: tuple[str, ...]) -> int:
    """The sum of some lines of a /proc file, in bytes; 0 if the process is gone."""
    try:
        lines = (_PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * _KIB for line in lines if line.startswith(names))
