"""A trial of the training workload on the digits, small enough for a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs.context import Context
from jobs.training.params import TrainParams
from jobs.training.workload import run

SMALL = {"train_subset": 192, "test_subset": 64, "epochs": 1}


@dataclass(frozen=True)
class Trained:
    """What came of a trial."""

    columns: dict[str, Any]
    history: list[dict[str, Any]]
    context: Context

    @property
    def result(self) -> dict[str, Any]:
        """What was computed, without what depends on a clock; equal bit for bit if two trials
        computed the same."""
        timed = ("step_p50_s", "step_p95_s", "samples_per_s", "tflops_per_s")
        rows = [
            {name: value for name, value in row.items() if name not in ("train_s", "samples_per_s")}
            for row in self.history
        ]
        return {name: value for name, value in self.columns.items() if name not in timed} | {
            "history": rows
        }


Train = Callable[..., Trained]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Run a small trial with these parameters, with one thread; ``_seed`` and ``_context`` go to
    the context."""

    def train(*, _seed: int = 0, _context: dict[str, Any] | None = None, **params: Any) -> Trained:
        options: dict[str, Any] = {
            "files": tmp_path / "files",
            "trial": "t",
            "seed": _seed,
            "threads": 1,
        } | (_context or {})
        context = Context(**options)
        columns = run(msgspec.convert(SMALL | params, TrainParams), context)
        return Trained(columns, context.history, context)

    return train
