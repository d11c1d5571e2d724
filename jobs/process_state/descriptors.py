"""Open files that a trial left behind: they must not use up what the process may hold."""

from __future__ import annotations

import gc
import os
import resource
import stat

_ROOM = 64
"""Descriptors that the runner wants to find free: a record and what goes with it needs a few."""

_KERNEL_DEVICES = 1
"""Major number of /dev/null and its siblings; other character devices may be a GPU's, which is no
leak."""


def open_descriptors() -> frozenset[int]:
    """Return the numbers of the files that this process holds open."""
    try:
        return frozenset(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208
    except OSError:
        return frozenset()


def has_room(before: frozenset[int]) -> bool:
    """Return whether enough descriptors are free; if not, free some: those with the highest numbers
    that were not open before."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = min(_ROOM, limit // 8)
    if _lowest_free(limit) < limit - room:
        return True
    gc.collect()
    if _lowest_free(limit) < limit - room:
        return True
    if limit + room <= hard or hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit + room, hard))
        return False
    freed = 0
    for number in range(limit - 1, 2, -1):
        if number not in before and _is_leak(number):
            os.close(number)
            freed += 1
            if freed == room:
                break
    return False


def _lowest_free(limit: int) -> int:
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return limit
    os.close(number)
    return number


def _is_leak(number: int) -> bool:
    try:
        found = os.fstat(number)
    except OSError:
        return False
    return not stat.S_ISCHR(found.st_mode) or os.major(found.st_rdev) == _KERNEL_DEVICES
