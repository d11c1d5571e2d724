"""Ends what this store submitted and nothing else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from cluster.state import State
from runner.errors import CancelLocal, SchedulerSilent
from runner.sweep.lock import is_held
from runner.sweep.sweep import Sweep


@dataclass(frozen=True)
class Cancelled:
    """What was ended."""

    tasks: int
    trials: frozenset[str]
    """Without a final record in those tasks."""


def cancel(
    sweep: Sweep, *, trials: Collection[str] | None = None, target: str | None = None
) -> Cancelled:
    """Cancel the queued and running array tasks of a sweep.

    A task runs its pack as a whole, so a trial named takes the others of its pack along; they are
    counted, and the next submit runs them.

    Args:
        sweep: Only arrays whose tickets lie in its store are touched.
        trials: Only tasks with one of these; all if None.
        target: Only tasks of this target.

    Raises:
        CancelLocal: A submit on this machine drives the sweep; it is stopped there.
        SchedulerSilent: The scheduler does not answer.
    """
    if is_held(sweep.folder):
        raise CancelLocal(sweep.name)
    view = sweep.queue
    if view.scheduler_error:
        raise SchedulerSilent(sweep.name, view.scheduler_error)
    tasks, ended = 0, set()
    for queued, states in view.arrays:
        if queued.handle is None or (target is not None and queued.array.target != target):
            continue
        indices = []
        for index, state in enumerate(states):
            members = {
                queued.submission.spec(line).trial_id for line, _ in queued.array.packs[index]
            }
            if state in (State.PENDING, State.RUNNING) and (
                trials is None or members & set(trials)
            ):
                indices.append(index)
                ended |= members & view.states.keys()
        if indices:
            sweep.scheduler_of(queued).cancel(queued.handle, indices)
            tasks += len(indices)
    return Cancelled(tasks, frozenset(ended))
