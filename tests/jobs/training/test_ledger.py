"""Where the seconds of a trial go: to a phase, to an epoch, to a step. By a clock that moves only
where a test says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.errors import StopRequested
from jobs.measure.clock import PhaseClock
from jobs.training import backends, checkpoint, loop, timing, workload
from jobs.training.evaluation import Evaluation
from jobs.training.scalars import TensorBoard
from jobs.training.session import Session
from tests.jobs.training.conftest import Train, Trained

STEPS = 3  # of 64 images, in each epoch
SLOW = 1000.0


class Clock:
    """Stands still, but for parts that are said to take their time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self._monkeypatch = monkeypatch
        for module in (loop, timing):
            monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def context(self, **options: Any) -> dict[str, Any]:
        """Options of a context that goes by this clock."""
        return options | {"clock": PhaseClock(now=lambda: self.now)}

    def takes(self, owner: Any, name: str, seconds: float) -> None:
        """From now on every call of this part takes so many seconds."""
        part = getattr(owner, name)

        def slow(*args: Any, **options: Any) -> Any:
            self.now += seconds
            return part(*args, **options)

        self._monkeypatch.setattr(owner, name, slow)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock by which an optimizer step takes a second, and all else no time."""
    clock = Clock(monkeypatch)
    clock.takes(Session, "update", 1.0)
    return clock


def spent(trained: Trained) -> dict[str, float]:
    """Seconds of the phases that took any."""
    return {phase: seconds for phase, seconds in trained.context.phases().items() if seconds}


@pytest.mark.parametrize(
    ("owner", "part", "phase", "calls"),
    [
        (backends, "start", "import", 1),
        (workload, "open_data", "data", 1),
        (workload, "build", "build", 1),
        (workload, "count_flops", "warmup", 1),
        (workload, "warm_up", "warmup", 1),
        (Evaluation, "__call__", "eval", 2),
        (workload, "trace", "write", 1),
        (workload, "TensorBoard", "write", 1),
        (TensorBoard, "epoch", "write", 2),
        (TensorBoard, "close", "write", 1),
        (checkpoint, "save", "write", 2 * STEPS),
    ],
)
def test_each_part_is_booked_to_its_phase(
    train: Train,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    part: str,
    phase: str,
    calls: int,
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    monkeypatch.setattr(workload, "trace", lambda *_: None)
    clock.takes(owner, part, SLOW)
    trained = train(epochs=2, tensorboard=True, profile=True, _context=clock.context())
    assert spent(trained) == {"train": 2 * STEPS, phase: calls * SLOW}


def test_reading_a_checkpoint_is_building(train: Train, clock: Clock) -> None:
    with pytest.raises(StopRequested):
        train(_context=clock.context(stop=lambda: True))
    clock.takes(checkpoint, "load", SLOW)
    assert spent(train(_context=clock.context())) == {"train": STEPS, "build": SLOW}


@pytest.mark.parametrize(
    ("owner", "part"),
    [(checkpoint, "save"), (TensorBoard, "epoch"), (Evaluation, "__call__")],
    ids=["checkpoint", "scalars", "evaluation"],
)
def test_what_interrupts_training_is_no_part_of_its_epochs_and_steps(
    train: Train, clock: Clock, monkeypatch: pytest.MonkeyPatch, owner: Any, part: str
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    clock.takes(owner, part, SLOW)
    trained = train(epochs=2, tensorboard=True, _context=clock.context())
    assert [row["train_s"] for row in trained.history] == [STEPS, STEPS]
    assert trained.columns["samples_per_s"] == 64
    assert (trained.columns["step_p50_s"], trained.columns["step_p95_s"]) == (1, 1)


@pytest.mark.parametrize("done", [1, STEPS - 1, STEPS, STEPS + 2])
def test_seconds_and_images_of_all_attempts_are_counted(
    train: Train, clock: Clock, done: int
) -> None:
    ends = clock.now + done
    with pytest.raises(StopRequested):
        train(epochs=2, _context=clock.context(stop=lambda: clock.now >= ends))
    clock.now += SLOW  # in the queue
    trained = train(epochs=2, _context=clock.context())
    assert [row["train_s"] for row in trained.history] == [STEPS, STEPS]
    assert [row["samples_per_s"] for row in trained.history] == [64, 64]
    assert trained.columns["samples_per_s"] == 64
    assert (trained.columns["step_p50_s"], trained.columns["step_p95_s"]) == (1, 1)
    assert spent(trained) == {"train": 2 * STEPS}


@pytest.mark.parametrize("images", [192, 150, 129])
def test_an_epochs_throughput_is_that_of_its_images(train: Train, images: int) -> None:
    """A last batch counts by its images, one of a single image too."""
    trained = train(train_subset=images, epochs=2, grad_accumulation=2)
    assert [row["samples_per_s"] * row["train_s"] for row in trained.history] == pytest.approx(
        [images, images]
    )
    assert trained.columns["samples_per_s"] * sum(
        row["train_s"] for row in trained.history
    ) == pytest.approx(2 * images)
