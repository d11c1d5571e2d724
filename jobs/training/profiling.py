"""A torch.profiler trace of some steps, for TensorBoard and Perfetto, and a table of the operators that took the time."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch.profiler import ProfilerActivity, profile

SKIP: Final = 3
"""Steps before the first that is traced; fewer in a trial that has no more."""

TRACED: Final = 10

TOP: Final = 30
"""Operators in the table."""


class StepProfiler:
    """Traces some steps of an attempt; a watcher of the loop.

    Args:
        folder: Gets ``trace.pt.trace.json`` and ``operators.csv``.
        first: Optimizer steps behind the attempt when it begins.
        n_steps: Optimizer steps before it.
    """

    def __init__(self, folder: Path, device: torch.device, first: int, n_steps: int) -> None:
        self._folder, self._on_gpu = folder, device.type == "cuda"
        self._from = first + min(SKIP, max(1, n_steps - 1))
        self._to = first + min(SKIP + TRACED, n_steps)
        self._profile: profile | None = None

    def wants(self, step: int) -> bool:
        """Two steps: the one after which the trace begins, and the one with which it ends."""
        return step == self._from or (self._profile is not None and step == self._to)

    def step(self, step: int) -> None:
        """Begin the trace, or end it and write it down."""
        if self._profile is None:
            activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._on_gpu else [])]
            self._profile = profile(activities=activities, record_shapes=True, profile_memory=True)
            self._profile.start()
        else:
            self._write(self._profile)

    def epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Let go of a trace that the attempt's end cut short, and write it down."""
        if self._profile is not None:
            self._write(self._profile)

    def _write(self, traced: profile) -> None:
        self._profile, self._from = None, 0
        traced.stop()
        self._folder.mkdir(parents=True, exist_ok=True)
        traced.export_chrome_trace(str(self._folder / "trace.pt.trace.json"))
        write_operators(self._folder / "operators.csv", traced.key_averages(), on_gpu=self._on_gpu)


def write_operators(path: Path, averages: Any, *, on_gpu: bool) -> None:
    """The operators that took most time by themselves, on the GPU where there is one, with their share of all of it."""
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    total = sum(getattr(operator, own) for operator in averages) or 1.0
    ranked = sorted(averages, key=lambda operator: getattr(operator, own), reverse=True)[:TOP]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("operator", "calls", "share", "self_cpu_s", "cpu_s", "self_device_s", "device_s"))
        for operator in ranked:
            names = ("self_cpu_time_total", "cpu_time_total", "self_device_time_total", "device_time_total")
            seconds = (f"{getattr(operator, name) / 1e6:.6f}" for name in names)
            table.writerow((operator.key, operator.count, f"{getattr(operator, own) / total:.4f}", *seconds))
