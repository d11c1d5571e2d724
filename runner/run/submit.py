"""Submits a request: plans what is left of it, freezes it in the store, and has it run."""

from __future__ import annotations

from dataclasses import dataclass

from artifacts.store import Store
from cluster.open import LOCAL_BACKENDS, open_local, open_scheduler, resolve
from runner.errors import SchedulerSilent
from runner.planning.packing import Plan, Window
from runner.planning.plan import Options, check_room, plan_with
from runner.planning.request import Request
from runner.run.feeder import Feeder
from runner.run.freezing import freeze_request
from runner.run.local import LocalDriver
from runner.run.progress import Progress, Watch
from runner.sweep.early_stop import Stopped, stopped_groups
from runner.sweep.lock import sweep_lock
from runner.sweep.reconcile import settle_all
from runner.sweep.submission import Submission

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
    backend_name = resolve(request.about.backend, request.profile)
    folder = store.sweep_folder(request.sweep)
    with sweep_lock(folder, wait_s=0 if backend_name in LOCAL_BACKENDS else _QUEUEING_S):
        view = settle_all(store, request.sweep)
        if view.trouble:
            raise SchedulerSilent(request.sweep, view.trouble)
        index = store.index(request.sweep)
        queued = frozenset(view.states)
        if backend_name != "slurm":
            plan = plan_with(request, store, options, index, queued, None)
            check_room(request, plan)
            submission = freeze_request(
                request, backend_name, folder, keep_going=options.keep_going
            )
            if not plan.arrays:
                return Submitted(submission, plan, Progress(0))
            with open_local(backend_name) as backend:
                driver = LocalDriver(backend, store, submission, plan, watch)
                driver.run()
            return Submitted(
                submission,
                plan,
                driver.progress,
                tuple(driver.unstarted),
                tuple(stopped_groups(submission.folder)),
            )
        with open_scheduler(request.profile, store.logs_folder(request.sweep)) as scheduler:
            limits = scheduler.limits()
            plan = plan_with(
                request,
                store,
                options,
                index,
                queued,
                Window(limits.max_array_size, limits.max_submit),
            )
            check_room(request, plan, scheduler)
            submission = freeze_request(
                request, backend_name, folder, keep_going=options.keep_going
            )
            Feeder(scheduler, store, submission).feed(plan, watch)
            return Submitted(submission, plan, None)
