"""Gives every attempt that ended without a word its record, and tidies the store; shared by all
commands that may write."""

from __future__ import annotations

from artifacts.collect import compact_leftovers
from artifacts.publish import translate_write_errors
from cluster.errors import ClusterError
from runner.errors import SweepBusy
from runner.sweep.arrays import write_ticket
from runner.sweep.attempts import settle, settle_abandoned
from runner.sweep.lock import sweep_lock
from runner.sweep.positions import tidy
from runner.sweep.queue import find
from runner.sweep.submission import discard, remove_unfinished, restore, withdraw
from runner.sweep.sweep import Sweep


def reconcile(sweep: Sweep) -> None:
    """Bring the store in line with what has become of the attempts; the sweep is locked.

    ``sweep.queue.scheduler_error`` then says whether the scheduler could be asked.
    """
    sweep.forget()
    doubt = settle_doubts(sweep)
    sweep.queue.scheduler_error = sweep.queue.scheduler_error or doubt
    written = settle_abandoned(sweep.store, sweep.opened.values())
    written += settle(sweep.store, sweep.queue.dead)
    compact_leftovers(sweep.store, sweep.name)
    if written:
        sweep.forget_records()
    tidy(sweep.folder, sweep.opened)
    remove_unfinished(sweep.folder)


def reconcile_if_idle(sweep: Sweep) -> bool:
    """Do the same where no submit is at it, which does this itself; return whether it was done.

    Raises:
        StoreFull, StoreNotWritable: Nothing can be written here; what is recorded can still be
            read.
    """
    if not sweep.folder.is_dir():
        return False
    try:
        with translate_write_errors(sweep.folder), sweep_lock(sweep.folder):
            reconcile(sweep)
    except SweepBusy:
        return False
    return True


def settle_doubts(sweep: Sweep) -> str:
    """Find out about every array without a ticket whether it is queued; the sweep is locked.

    One that the scheduler has gets its ticket. Any other is withdrawn and looked for once more:
    should the scheduler be about to queue it, its tasks will find nothing to run, so that its
    trials can be queued anew and none runs twice.

    Returns:
        Why it could not be found out; empty if it was, or if there was no doubt.
    """
    for submission in sweep.submissions:
        for path in submission.withdrawn():  # the settling of doubts was cut short
            restore(path)
    doubtful = [queued for queued in sweep.arrays.known if queued.handle is None]
    if not doubtful:
        return ""
    try:
        found = find(sweep.store, doubtful, sweep.scheduler_of)
        absent = [queued.path for queued in doubtful if queued.path not in found]
        for path in absent:
            withdraw(path)
        found |= find(
            sweep.store, [one for one in doubtful if one.path in absent], sweep.scheduler_of
        )
    except ClusterError as error:
        return str(error)
    finally:
        sweep.forget_arrays()
    for queued in doubtful:
        if queued.path not in found:
            discard(queued.path)
            continue
        if queued.path in absent:
            restore(queued.path)
        write_ticket(queued.path, found[queued.path])
    return ""
