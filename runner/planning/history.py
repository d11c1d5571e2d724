"""What is known about a sweep's trials already, as the plan needs it."""

from __future__ import annotations

from artifacts.index import Attempt
from artifacts.record import Outcome
from runner.planning.packing import History
from runner.sweep.attempts import RESULTS
from runner.sweep.journal import AttemptEnded
from runner.sweep.sweep import Sweep


def history_of(sweep: Sweep) -> History:
    """Return completed and failed trials, those that the scheduler holds, attempt numbers taken,
    and how long attempts took."""
    index = sweep.index
    last = index.last_attempts()
    seconds: dict[str, float] = {}
    for entry in sweep.journal:
        # A number that was begun is taken for good, even if its record was never written: no two
        # attempts share one.
        last[entry.trial] = max(last.get(entry.trial, 0), entry.attempt)
        if (
            isinstance(entry, AttemptEnded)
            and entry.outcome == Outcome.completed
            and entry.total_s is not None
        ):
            seconds[entry.trial] = entry.total_s
    failed = {
        trial
        for trial, attempts in index.trials.items()
        if trial not in index.completed and _may_again(attempts[-1])
    }
    return History(
        completed=frozenset(index.completed),
        last_attempt=last,
        failed=frozenset(failed),
        queued=frozenset(sweep.queue.states),
        duration_s=seconds,
    )


def _may_again(last: Attempt) -> bool:
    """Whether the next attempt may well end as this one: its process went with it, or an inline
    submit did."""
    return last.outcome in RESULTS or (last.derived and last.outcome != Outcome.node_failed)
