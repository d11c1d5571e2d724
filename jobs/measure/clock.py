"""The time ledger of one attempt: every second belongs to one phase, or to the runner itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from jobs.errors import UnknownPhase
from jobs.measure import loaded_torch

PHASES = ("import", "data", "build", "warmup", "train", "eval", "write")


class PhaseClock:
    """Adds up wall-clock seconds by phase.

    A phase inside another stops the outer one's time, so the phases never overlap and their sum is
    at most the total. The device is synchronized where a phase begins and ends, and nowhere else:
    queued kernels belong to the phase that queued them.

    Args:
        now: Seconds from an arbitrary start, never going back.
        synchronize: Waits for the device.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.perf_counter,
        synchronize: Callable[[], None] = loaded_torch.synchronize,
    ) -> None:
        self._now, self._synchronize = now, synchronize
        self._started = now()
        self._seconds: dict[str, float] = {}
        self._carried = 0.0
        self._running: list[str] = []
        self._since = self._started

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time the block as this phase; UnknownPhase if the ledger has none of that name."""
        if name not in PHASES:
            raise UnknownPhase(name, PHASES)
        self._synchronize()
        self._turn()
        self._running.append(name)
        try:
            yield
            # not after an exception: a broken device would hide it behind its own
            self._synchronize()
        finally:
            self._turn()
            self._running.pop()

    @property
    def running(self) -> str | None:
        """Return the innermost phase that runs now; None between two."""
        running = self._running[-1:]  # one step: another thread may ask
        return running[0] if running else None

    def carry(self, seconds: Mapping[str, float]) -> None:
        """Add the phases of the attempts that this one goes on from, so that ``train_s`` is the
        whole trial's."""
        for name, more in seconds.items():
            if name not in PHASES:
                raise UnknownPhase(name, PHASES)
            self._seconds[name] = self._seconds.get(name, 0.0) + more
            self._carried += more

    def phases(self) -> dict[str, float]:
        """Return the seconds of each phase entered so far, a running one up to now."""
        self._turn()
        return dict(self._seconds)

    def ledger(self) -> dict[str, float]:
        """Return the record's time columns; the phases and ``overhead_s`` add up to ``total_s``."""
        self._turn()
        total = self._since - self._started + self._carried
        columns = {f"{name}_s": seconds for name, seconds in self._seconds.items()}
        return {
            **columns,
            "overhead_s": max(0.0, total - sum(self._seconds.values())),
            "total_s": total,
        }

    def _turn(self) -> None:
        """Give the time since the last turn to the phase that is running."""
        now = self._now()
        if self._running:
            name = self._running[-1]
            self._seconds[name] = self._seconds.get(name, 0.0) + now - self._since
        self._since = now
