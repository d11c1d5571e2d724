"""How fast the trials of a sweep end, from the journals of its workers: it costs the scheduler
nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from artifacts.store import Store
from runner.sweep.journal import AttemptEnded, AttemptStarted, Follower
from runner.sweep.sweep import Sweep


class Pace:
    """Follows a sweep; counts what has begun since its latest array was frozen, so that last
    night's pace is not today's."""

    def __init__(self, store: Store, sweep: str, now: Callable[[], float] = time.time) -> None:
        self._store, self._sweep, self._now = store, sweep, now
        self._follower = Follower(store.sweep_folder(sweep))
        self._began: dict[tuple[str, int], float] = {}
        self._ends: dict[tuple[str, int], float] = {}

    def follow(self) -> bool:
        """Read what workers have written since; return whether an attempt has ended."""
        ended = False
        for entry in self._follower.new_entries():
            key = (entry.trial, entry.attempt)
            if isinstance(entry, AttemptStarted):
                self._began[key] = entry.at
            elif isinstance(entry, AttemptEnded) and key in self._began:
                ended = True
                self._ends[key] = self._began[key] + (entry.total_s or 0.0)
        return ended

    def rate(self) -> float | None:
        """Return the attempts that end in a second; None before the first."""
        began = [at for at in self._began.values() if at >= self._since()]
        ends = [end for key, end in self._ends.items() if self._began[key] >= self._since()]
        return len(ends) / (max(ends) - min(began)) if ends and max(ends) > min(began) else None

    def left_s(self, trials: int) -> float | None:
        """Return the seconds that so many trials take at this rate; None before it is known, and
        when that time is over."""
        rate = self.rate()
        if not rate:
            return None
        left = trials / rate - max(0.0, self._now() - max(self._ends.values()))
        return left if left > 0 else None

    def _since(self) -> float:
        arrays = Sweep(self._store, self._sweep).latest.arrays()
        return arrays[-1].stat().st_mtime - 1 if arrays else 0.0
