"""Watches the hardware while an attempt runs: about one reading a second, and none for a short
trial."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from cluster.machine import Gpu
from jobs.measure import energy
from jobs.measure.gpu_watch import GpuWatch
from jobs.measure.load import CpuTimes, cpu_times, disturbance
from jobs.measure.readings import Readings

ENERGY = ("gpu_energy_j", "cpu_energy_j")
INTERVAL_S = 1.0
SETTLE_S = 0.25
"""An attempt shorter than this is not watched at all."""


class Sampler:
    """A context manager around the attempt, one at a time in a process; ``columns`` and
    ``readings`` afterward.

    Args:
        gpus: Those of the attempt; none for a trial on the CPU.
        share: Its share of one GPU.
        cpus: CPUs that were promised to it.
        interval_s: Seconds between readings.
    """

    def __init__(
        self, gpus: Sequence[Gpu], share: float, cpus: int, interval_s: float = INTERVAL_S
    ) -> None:
        self._gpus, self._share, self._cpus, self._interval_s = gpus, share, cpus, interval_s
        self._entered = self._last = 0.0
        self._gpu_watch: GpuWatch | None = None
        self._rapl: energy.Rapl | None = None
        self._first: tuple[float, CpuTimes] | None = None
        self._ended: tuple[list[str] | None, dict[str, float]] | None = None

    def __enter__(self) -> Sampler:
        if self._gpus:
            self._gpu_watch = GpuWatch(
                self._gpus, self._share
            )  # its energy counter is read from the first moment
        self._entered = time.monotonic()
        _watcher.begin(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _watcher.end()
        self._ended = self._look()

    def columns(self) -> dict[str, Any]:
        """Return the energy and GPU readings; what could not be measured is missing."""
        if self._first is None:
            return {}
        columns = self._gpu_watch.columns() if self._gpu_watch else {}
        joules = self._rapl.joules() if self._rapl else None
        return (
            columns
            if joules is None
            else {**columns, "cpu_energy_j": joules, "cpu_energy_source": energy.SOURCE}
        )

    def readings(self, *, of_gpu: bool = True) -> Readings:
        """Return the disturbances and energy: of the whole attempt, or while it runs until now.

        Args:
            of_gpu: Whether what the GPU says counts; not for a trial that leaves it unused.
        """
        if self._ended is not None:
            host, energy = self._ended
        else:
            with _watcher.held():
                host, energy = self._look()
        if self._gpu_watch is None or not of_gpu:
            return Readings(
                host,
                {name: joules for name, joules in energy.items() if not name.startswith("gpu_")},
            )
        if host is None:
            return Readings(None, energy)
        reasons = host + self._gpu_watch.disturbances()
        return Readings(reasons if reasons or self._gpu_watch.answered else None, energy)

    def tick(self) -> None:
        """Begin, or take a reading if one is due."""
        now = time.monotonic()
        if self._first is None:
            if now - self._entered >= SETTLE_S:
                rapl = energy.Rapl()
                self._rapl = rapl if rapl.readable else None
                # The load of the CPUs is two readings of running counters; only what has none is
                # looked at in between.
                self._first = (now, cpu_times())
                self._last = now
        elif now - self._last >= self._interval_s:
            self._last = now
            self._sample()

    def _look(self) -> tuple[list[str] | None, dict[str, float]]:
        """What disturbed the host since the first reading, None if that is too short ago; and the
        energy."""
        if self._first is None:
            return None, {}
        self._sample()
        energy = {name: value for name, value in self.columns().items() if name in ENERGY}
        began, times = self._first
        seconds = time.monotonic() - began
        if seconds < SETTLE_S:  # the kernel counts in hundredths of a second: less says nothing
            return None, energy
        return disturbance(times, cpu_times(), seconds, self._cpus), energy

    def _sample(self) -> None:
        if self._gpu_watch:
            self._gpu_watch.sample()
        if self._rapl:
            self._rapl.sample()


class _Watcher:
    """The thread that ticks, one for the whole process: starting one for each attempt costs a short
    trial milliseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: Sampler | None = None
        self._thread: threading.Thread | None = None

    def begin(self, sampler: Sampler) -> None:
        """Tick for this attempt from now on."""
        with self._lock:
            self._current = sampler
        if self._thread is None or not self._thread.is_alive():  # a forked process has no threads
            self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Tick no more; a tick that is under way is waited for."""
        with self._lock:
            self._current = None

    def held(self) -> AbstractContextManager[bool]:
        """Return no tick happens inside."""
        return self._lock

    def _run(self) -> None:
        while True:
            time.sleep(SETTLE_S)
            with self._lock:
                if self._current is not None:
                    self._current.tick()


_watcher = _Watcher()
