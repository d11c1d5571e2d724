"""How long this worker took to start: from when it was asked for, or its process began, until it
takes up its first task."""

from __future__ import annotations

import time

import psutil

_since: float | None = None


def process_began() -> float:
    """Return when this process was started, in seconds since the epoch."""
    return float(psutil.Process().create_time())


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
