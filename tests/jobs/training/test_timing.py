"""How long the steps of a trial took, and what its record says of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from jobs.training import workload
from jobs.training.timing import StepTimes
from tests.jobs.training.conftest import Train

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seconds", "median", "late"),
    [
        ([1.0] * 60 + [10.0] * 36 + [1000.0] * 4, 1.0, 10.0),
        (range(1, 101), 50.5, 95.05),
        ([3.0], 3.0, 3.0),
    ],
    ids=["skewed", "even", "one"],
)
def test_the_record_has_median_and_95th_percentile(
    seconds: Iterable[float], median: float, late: float
) -> None:
    times = StepTimes(CPU)
    times.carry(seconds)
    assert times.columns() == pytest.approx({"step_p50_s": median, "step_p95_s": late})


def test_without_a_step_there_are_no_columns() -> None:
    assert StepTimes(CPU).columns() == {}


def test_carried_steps_come_first() -> None:
    times = StepTimes(CPU)
    times.carry([3.0])
    times.carry([1.0, 2.0])
    assert times.seconds() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("together", "steps"), [(1, 9), (2, 6)])
def test_the_steps_of_all_epochs_are_timed(
    train: Train, monkeypatch: pytest.MonkeyPatch, together: int, steps: int
) -> None:
    made: list[StepTimes] = []
    monkeypatch.setattr(
        workload, "StepTimes", lambda device: made.append(StepTimes(device)) or made[-1]
    )
    trained = train(epochs=3, grad_accumulation=together)
    (times,) = made
    assert len(times.seconds()) == trained.columns["steps"] == steps
    assert trained.columns.items() >= times.columns().items()
