"""Watches the hardware while an attempt runs: one thread, about one reading a second, none for short trials."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from jobs.measure import energy
from jobs.measure.gpu_watch import GpuWatch
from jobs.measure.gpus import Gpu
from jobs.measure.load import CpuTimes, cpu_times, disturbance

INTERVAL_S = 1.0
SETTLE_S = 0.25
"""An attempt shorter than this is not watched at all: its thread has only been asleep."""


class Sampler:
    """A context manager around the attempt; ``columns`` and ``disturbed_by`` afterwards.

    Args:
        gpus: Those of the attempt; none for a trial on the CPU.
        share: Its share of one GPU.
        cpus: CPUs that were promised to it.
        interval_s: Seconds between readings.
    """

    def __init__(self, gpus: Sequence[Gpu], share: float, cpus: int, interval_s: float = INTERVAL_S) -> None:
        self._gpus, self._share, self._cpus, self._interval_s = gpus, share, cpus, interval_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)
        self._watch_gpu: GpuWatch | None = None
        self._rapl: energy.Rapl | None = None
        self._first: tuple[float, CpuTimes] | None = None
        self._disturbed_by: list[str] | None = None

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        if self._first is None:
            return
        self._sample()
        began, times = self._first
        seconds = time.monotonic() - began
        if seconds >= SETTLE_S:  # the kernel counts in hundredths of a second: less says nothing
            self._disturbed_by = disturbance(times, cpu_times(), seconds, self._cpus)
            self._disturbed_by += self._watch_gpu.disturbances() if self._watch_gpu else []

    def columns(self) -> dict[str, Any]:
        """Energy and GPU readings; what could not be measured is missing."""
        if self._first is None:
            return {}
        columns = self._watch_gpu.columns() if self._watch_gpu else {}
        joules = self._rapl.joules() if self._rapl else None
        return columns if joules is None else {**columns, "cpu_energy_j": joules, "cpu_energy_source": energy.SOURCE}

    def disturbed_by(self) -> list[str] | None:
        """What disturbed the measurement; None if the attempt was too short to be watched."""
        return self._disturbed_by

    def _watch(self) -> None:
        if self._gpus:
            self._watch_gpu = GpuWatch(self._gpus, self._share)  # its energy counter is read from the first moment
        if self._done.wait(SETTLE_S):
            return
        rapl = energy.Rapl()
        self._rapl = rapl if rapl.readable else None
        self._first = (time.monotonic(), cpu_times())
        # The load of the CPUs is two readings of running counters; only what has no such counter is looked at in between.
        while not self._done.wait(self._interval_s if self._watch_gpu or self._rapl else None):
            self._sample()

    def _sample(self) -> None:
        if self._watch_gpu:
            self._watch_gpu.sample()
        if self._rapl:
            self._rapl.sample()
