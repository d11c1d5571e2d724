"""Submits a request: plans what is left of it, freezes it in the store, and has it run."""

from __future__ import annotations

from dataclasses import dataclass

from artifacts.store import Store
from cluster.open import LocalName, open_local
from runner.errors import SchedulerSilent
from runner.planning.packing import Plan
from runner.planning.plan import Options, plan_request
from runner.planning.request import Request
from runner.run.feeder import Feeder
from runner.run.freezing import freeze_request
from runner.run.local import LocalDriver
from runner.run.progress import Progress, Watch
from runner.sweep.early_stop import Stopped, stopped_groups
from runner.sweep.lock import sweep_lock
from runner.sweep.reconcile import reconcile
from runner.sweep.submission import Submission
from runner.sweep.sweep import Sweep

_QUEUEING_S = 60.0
"""Queueing takes seconds, so a second submit to the same scheduler waits for the first."""


@dataclass(frozen=True)
class Submitted:
    """What a submit did."""

    submission: Submission
    plan: Plan
    progress: Progress | None
    """None where the scheduler has the trials now."""
    unstarted: tuple[str, ...] = ()
    """Why tasks ended before their trial began, each reason once."""
    stopped: tuple[Stopped, ...] = ()
    """Groups whose queue was stopped because their first trials all failed in the same way."""


def submit(
    request: Request, store: Store, options: Options, watch: Watch = lambda _progress: None
) -> Submitted:
    """Freeze and run what has no completed record.

    Args:
        request: The grid, checked.
        store: Where everything goes; created if absent.
        options: Limits of this submit.
        watch: Called several times a second while trials run, or with every array that is queued;
            with Stopping in the handler of the signal that asks for it.

    Raises:
        SweepBusy: Another submit holds the sweep.
        StoreFull, StoreNotWritable: Nothing more can be recorded; what is recorded stays.
        Infeasible: A target could never run here; nothing was queued.
        SchedulerSilent: What it holds of this sweep is not known, so nothing was queued.
        SubmitStopped: Ctrl-C, SIGTERM or SIGHUP; every attempt under way got its record. A second
            one ends at once.
        BackendLost: What ran the trials is gone; every attempt under way got its record.
    """
    store.create()
    sweep = Sweep(store, request.sweep, request.profile)
    with sweep_lock(sweep.folder, wait_s=0 if request.local else _QUEUEING_S):
        reconcile(sweep)
        if sweep.queue.scheduler_error:
            raise SchedulerSilent(sweep.name, sweep.queue.scheduler_error)
        plan = plan_request(request, sweep, options)
        submission = freeze_request(request, sweep, options)
        if request.local:
            return _run_here(request.local, sweep, submission, plan, watch)
        Feeder(sweep, submission).feed(plan, watch)
        return Submitted(submission, plan, None)


def _run_here(
    backend: LocalName, sweep: Sweep, submission: Submission, plan: Plan, watch: Watch
) -> Submitted:
    if not plan.arrays:
        return Submitted(submission, plan, Progress(0))
    with open_local(backend) as opened:
        driver = LocalDriver(opened, sweep, submission, plan, watch)
        driver.run()
    stopped = tuple(stopped_groups(submission.folder))
    return Submitted(submission, plan, driver.progress, tuple(driver.unstarted), stopped)
