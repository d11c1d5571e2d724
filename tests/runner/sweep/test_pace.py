"""How long the rest of a sweep takes."""

from __future__ import annotations

import heapq
import random

import pytest

from runner.sweep.pace import Durations, UnderWay, time_left

A, B = ("a", "cpu"), ("b", "cpu")


def _taking(seconds: list[float]) -> Durations:
    durations = Durations()
    for each in seconds:
        durations.add(A, each)
    return durations


def test_nothing_is_said_before_a_trial_has_told_how_long_one_takes() -> None:
    assert time_left(Durations(), [UnderWay(A, 5.0)], {A: 3}) is None
    assert time_left(_taking([10.0]), [], {A: 3}) is None, "nothing runs, so nobody knows when"


def test_a_running_trial_tells_by_its_epochs() -> None:
    left = time_left(Durations(), [UnderWay(A, 30.0, share=0.25)], {})
    assert left is not None
    assert left.low_s <= 90.0 <= left.high_s
    assert left.high_s < 120.0


def test_a_group_without_an_ended_trial_is_taken_to_last_as_the_others_do() -> None:
    left = time_left(_taking([10.0] * 20), [UnderWay(B, 0.0)], {B: 9})
    assert left is not None
    assert left.low_s <= 100.0 <= left.high_s


@pytest.mark.parametrize("slots", [1, 2, 8])
@pytest.mark.parametrize("ended", [4, 40])
def test_the_range_holds_the_time_that_it_takes(slots: int, ended: int) -> None:
    draw, held = random.Random(7), 0
    for _ in range(300):
        length = lambda: draw.lognormvariate(3.0, 0.5)  # noqa: E731
        running, rests = [], []
        for _ in range(slots):
            whole = length()
            gone = draw.random() * whole
            running.append(UnderWay(A, gone, share=gone / whole))
            rests.append(whole - gone)
        left = time_left(_taking([length() for _ in range(ended)]), running, {A: 30})
        free = rests.copy()
        heapq.heapify(free)
        for _ in range(30):
            heapq.heappush(free, heapq.heappop(free) + length())
        assert left is not None
        held += left.low_s <= max(free) <= left.high_s
    assert held >= 240, "of 300; nominally 9 of 10"
