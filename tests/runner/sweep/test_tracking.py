"""What is seen of a sweep that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.sweep.journal import AttemptEnded, AttemptStarted, Journal
from runner.sweep.sweep import Sweep
from runner.sweep.tracking import Tracker
from tests.runner.conftest import Desk

GRID = """
groups:
  - {name: short, workload: "toys:quick", target: cpu, matrix: {width: [1, 2]}, repeats: 2}
  - {name: long, workload: "toys:quick", target: cpu, matrix: {width: [3]}, repeats: 2}
"""


@pytest.fixture
def began(desk: Desk) -> float:
    """When the array of a sweep was frozen, of which nothing has run."""
    desk.run("submit", desk.grid(GRID), "--backend", "inline", "--limit", "1")
    return (desk.store.sweep_folder("toy") / "001" / "arrays" / "0001.json").stat().st_mtime


def _tracker(desk: Desk, now: list[float]) -> Tracker:
    return Tracker(Sweep(desk.store, "toy"), now=lambda: now[0])


def _left(desk: Desk) -> list[str]:
    status = Tracker(Sweep(desk.store, "toy")).status
    return [trial for trial, word in status.words.items() if word == "waiting"]


def test_what_workers_note_is_seen_without_reading_the_rest_again(
    desk: Desk, began: float, tmp_path: Path
) -> None:
    now = [began + 50.0]
    tracker, journal = _tracker(desk, now), Journal(desk.store.sweep_folder("toy"), "other")
    one, two, three = _left(desk)[:3]
    for trial in (one, two):
        journal.write(AttemptStarted(trial, 1, began + 10.0, "here", 1))
    journal.write(AttemptEnded(one, 1, "failed", error="ValueError: no\nmore", fault="x"))
    journal.write(AttemptStarted(three, 1, began + 20.0, "here", 2))
    assert [entry.trial for entry in tracker.follow()] == [one]
    assert tracker.follow() == ()
    view = tracker.view()
    assert view.status.counts == {"completed": 1, "failed": 1, "running": 2, "waiting": 2}
    assert [(each.trial, each.for_s) for each in view.running] == [
        (two, pytest.approx(40.0)),
        (three, pytest.approx(30.0)),
    ]
    assert view.running[0].settings.keys() <= {"width", "seed"}
    assert [(each.outcome, each.error, each.count) for each in view.causes] == [
        ("failed", "ValueError: no", 1)
    ]
    assert view.done == 2


def test_the_rate_is_that_of_the_latest_submit_and_the_time_left_shrinks(
    desk: Desk, began: float
) -> None:
    now = [began + 100.0]
    tracker, journal = _tracker(desk, now), Journal(desk.store.sweep_folder("toy"), "other")
    one, two, three = _left(desk)[:3]
    for trial, at in ((one, -5000.0), (two, 1000.0), (three, 1010.0)):
        journal.write(AttemptStarted(trial, 1, began + at, "here", 1))
        if trial != three:
            journal.write(AttemptEnded(trial, 1, "completed", total_s=10.0, accuracy=0.5))
    tracker.follow()
    now[0] = began + 1011.0
    view = tracker.view(coming=1)
    assert view.rate_per_s is not None
    assert abs(view.rate_per_s - 2 / 1010) < 1e-4, "the real trial of now and one other"
    assert view.best_accuracy == 0.5
    assert view.left is not None
    now[0] += 5.0
    later = tracker.view(coming=1)
    assert later.left is not None
    assert later.left.high_s < view.left.high_s


def test_an_attempt_counts_once_however_often_it_is_told(desk: Desk, began: float) -> None:
    tracker, journal = _tracker(desk, [began]), Journal(desk.store.sweep_folder("toy"), "other")
    trial = _left(desk)[0]
    journal.write(AttemptStarted(trial, 1, began, "here", 1))
    for _ in range(2):
        journal.write(AttemptEnded(trial, 1, "failed", fault="x"))
    tracker.follow()
    assert tracker.view().causes[0].count == 1
