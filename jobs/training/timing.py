"""How long optimizer steps took: every one of them, without making the device wait."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch


class StepTimes:
    """Durations of the steps, in seconds.

    On a GPU an event is queued behind each step, and the events are read at the end of the epoch.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._events: list[torch.cuda.Event] = []
        self._n_marks = 0
        self._last = 0.0
        self._seconds = array("f")

    def begin(self) -> None:
        """Note that the first step of an epoch begins now."""
        self._n_marks = 0
        self.mark(begins=True)

    def mark(self, *, begins: bool = False) -> None:
        """Note that a step ends here and the next begins."""
        if self._on_gpu:
            if self._n_marks == len(self._events):
                self._events.append(torch.cuda.Event(enable_timing=True))  # type: ignore[no-untyped-call]
            self._events[self._n_marks].record()
            self._n_marks += 1
            return
        now = time.perf_counter()
        if not begins:
            self._seconds.append(now - self._last)
        self._last = now

    def end(self) -> None:
        """Note that the epoch is over, and the device has done all of it."""
        marks = self._events[: self._n_marks]
        self._seconds.extend(before.elapsed_time(after) / 1e3 for before, after in pairwise(marks))
        self._n_marks = 0

    def seconds(self) -> list[float]:
        """Return all steps so far, for a checkpoint."""
        return self._seconds.tolist()

    def carry(self, seconds: Iterable[float]) -> None:
        """Put the steps of an earlier attempt before this one's."""
        self._seconds = array("f", seconds) + self._seconds

    def columns(self) -> dict[str, float]:
        """Return ``step_p50_s`` and ``step_p95_s``; empty if there was no step."""
        if not self._seconds:
            return {}
        median, late = np.percentile(self._seconds, (50, 95)).tolist()
        return {"step_p50_s": median, "step_p95_s": late}
