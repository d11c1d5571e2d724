"""Queues a plan with a scheduler: at once where it fits, else as fast as the user's limit lets it
in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from cluster.errors import NotQueued, SubmitLimitReached
from runner.planning.packing import Plan, PlannedArray
from runner.run.freezing import freeze_array
from runner.run.interruption import held_back
from runner.run.progress import Feeding
from runner.run.supervisor import run_supervised
from runner.sweep.arrays import job_name, write_ticket
from runner.sweep.journal import AttemptEnded
from runner.sweep.submission import Submission, discard
from runner.sweep.sweep import Sweep

_LOOK_S = 1.0
_ASK_S = (30.0, 180.0)
"""Without news from the workers the scheduler is asked for room after this long, then ever more
seldom up to the second."""
_NEWS = 0.25
"""Share of the queued trials that must have ended, by the workers' own word, before the scheduler
is asked sooner."""


class Feeder:
    """Queues the arrays of one plan."""

    def __init__(self, sweep: Sweep, submission: Submission) -> None:
        self._sweep, self._submission = sweep, submission
        self._store, self._scheduler = sweep.store, sweep.scheduler
        self._queued_trials = self._pause_s = 0.0

    def feed(self, plan: Plan, watch: Callable[[Feeding], None]) -> None:
        """Queue everything; returns when the last task is in, which is at once unless the user's
        limit is smaller than the plan.

        Raises:
            ClusterError: The scheduler does not want an array, or gives no answer; what is queued
                stays, and is found again.
        """
        waiting = deque(plan.arrays)
        queued = 0
        self._pause_s = _ASK_S[0]
        room = self._sweep.limits.room
        while waiting:
            before = queued
            while waiting and (room is None or room > 0):
                array = _fitting(waiting, room)
                if not self._queue(array):
                    waiting.appendleft(array)
                    break
                queued += len(array.packs)
                room = None if room is None else room - len(array.packs)
            watch(Feeding(queued, sum(len(array.packs) for array in waiting)))
            if waiting:
                self._pause_s = _ASK_S[0] if queued > before else min(2 * self._pause_s, _ASK_S[1])
                self._wait_for_news()
                room = self._scheduler.limits().room

    def _queue(self, array: PlannedArray) -> bool:
        """Freeze an array, queue it, note it down; False if there is no room for it now.

        Only where SLURM said no is the array taken back. After anything else, a death between two
        of the steps included, it stays noted without a ticket, and the next submit asks SLURM
        whether it has it.
        """
        warned_s = self._scheduler.warning_s(array.resources)
        frozen = freeze_array(
            array, "slurm", warned_s, store=self._store.id, cluster=self._scheduler.cluster
        )
        path = self._submission.add_array(frozen)
        name = job_name(self._store, path, frozen)
        try:
            with held_back():
                handle = self._scheduler.submit(
                    partial(run_supervised, str(path)), len(array.packs), array.resources, name=name
                )
                write_ticket(path, handle)
        except NotQueued as refusal:
            discard(path)
            if isinstance(refusal, SubmitLimitReached):
                return False
            raise
        self._queued_trials += array.trials
        return True

    def _wait_for_news(self) -> None:
        """Until a good part of what was queued has ended, or it is time to ask anyway."""
        deadline = time.monotonic() + self._pause_s
        ended = 0
        while time.monotonic() < deadline and ended < _NEWS * self._queued_trials:
            time.sleep(_LOOK_S)
            ended += sum(
                isinstance(entry, AttemptEnded) for entry in self._sweep.follower.new_entries()
            )
        self._queued_trials -= ended


def _fitting(waiting: deque[PlannedArray], room: int | None) -> PlannedArray:
    """Take the next array, or as much of it as there is room for."""
    array = waiting.popleft()
    if room is None or len(array.packs) <= room:
        return array
    waiting.appendleft(replace(array, packs=array.packs[room:]))
    return replace(array, packs=array.packs[:room])
