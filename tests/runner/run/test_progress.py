"""What a running submit says of itself, counted from the journal."""

from __future__ import annotations

import pytest

from artifacts.record import Outcome
from runner.run.progress import Progress
from runner.sweep.journal import AttemptEnded


class Clock:
    """Hands that the test moves."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ended(trial: str) -> AttemptEnded:
    return AttemptEnded(trial=trial, attempt=1, outcome=Outcome.completed)


def test_the_time_left_falls_until_the_next_trial_ends(clock: Clock) -> None:
    progress = Progress(5, now=clock)
    assert (progress.rate, progress.left_s) == (None, None)
    clock.seconds += 60
    for trial in ("a", "b"):
        progress.follow([ended(trial)])
    assert progress.left_s == pytest.approx(90)
    clock.seconds += 30
    assert progress.left_s == pytest.approx(60)
    assert progress.rate == pytest.approx(2 / 60)
    clock.seconds += 100
    assert progress.left_s is None
    progress.follow([ended("c")])
    assert progress.left_s == pytest.approx(2 * 190 / 3)


def test_an_attempt_counts_once_however_often_it_is_told(clock: Clock) -> None:
    progress = Progress(5, now=clock)
    progress.follow([ended("a"), ended("a")])
    assert (progress.done, progress.completed) == (1, 1)
