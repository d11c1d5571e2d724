"""From a checked request to its plan: the read-only half of submit, so that plan and submit cannot
disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from artifacts.index import Index
from artifacts.store import Store
from cluster.backend import Scheduler
from cluster.errors import ClusterError, Infeasible
from cluster.open import LOCAL_BACKENDS, check_room_here, open_scheduler, resolve
from runner.planning.history import history_of
from runner.planning.packing import UNLIMITED, Plan, Window, make_plan
from runner.planning.request import Request
from runner.sweep.queue import look


@dataclass(frozen=True)
class Options:
    """What one submit may do."""

    pack: int | None = None
    """Trials per array task; chosen if None."""
    limit: int | None = None
    """Run at most this many trials."""
    only: frozenset[str] | None = None
    """Run none but these trials."""
    again: bool = False
    """Run them even if they are completed: their measurement was disturbed."""
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Resources by trial that differ from the spec's own."""
    keep_going: bool = False
    """Run all trials of a group, also where its first ones fail in one way."""


def plan_request(request: Request, store: Store, options: Options) -> Plan:
    """What submit would do now; reads and changes nothing."""
    if resolve(request.about.backend, request.profile) in LOCAL_BACKENDS:
        plan = plan_with(request, store, options, store.index(request.sweep), frozenset(), None)
        check_room(request, plan)
        return plan
    view = look(store, request.sweep)
    try:
        with open_scheduler(request.profile, store.logs_folder(request.sweep)) as scheduler:
            limits = scheduler.limits()
            window = Window(limits.max_array_size, limits.max_submit)
            plan = plan_with(request, store, options, view.index, frozenset(view.states), window)
            check_room(request, plan, scheduler)
            return plan
    except Infeasible:
        raise
    except ClusterError:  # planned away from the cluster, where nobody can tell its limits
        return plan_with(request, store, options, view.index, frozenset(view.states), UNLIMITED)


def check_room(request: Request, plan: Plan, scheduler: Scheduler | None = None) -> None:
    """See that every array could ever run, before anything is frozen or queued.

    Raises:
        Infeasible: One could not.
    """
    backend = resolve(request.about.backend, request.profile)
    for array in plan.arrays:
        name = f"{request.sweep}-{array.target}"
        if scheduler is not None:
            scheduler.check_room(name, array.resources)
        else:
            check_room_here(backend, name, array.resources)


def scripts(request: Request, store: Store, plan: Plan) -> list[str]:
    """The batch script of each class of arrays that a scheduler would be given; none where no
    scheduler is.

    Only the number of the array, which is part of the job's name, and the name of the file that
    carries the call are made at submit.
    """
    if resolve(request.about.backend, request.profile) in LOCAL_BACKENDS:
        return []
    first = {
        (array.target, msgspec.json.encode(array.resources)): array
        for array in reversed(plan.arrays)
    }
    with open_scheduler(request.profile, store.logs_folder(request.sweep)) as scheduler:
        return [
            scheduler.script(len(array.packs), array.resources, name=request.sweep)
            for array in reversed(first.values())
        ]


def plan_with(
    request: Request,
    store: Store,
    options: Options,
    index: Index,
    queued: frozenset[str],
    window: Window | None,
) -> Plan:
    """The plan, given what the store and the scheduler said.

    Args:
        request: The grid, checked.
        store: For the journal of earlier attempts.
        options: Limits of this submit.
        index: The recorded attempts of the sweep.
        queued: Trials that the scheduler holds.
        window: The scheduler's limits; None for a backend whose every task is one trial.
    """
    return make_plan(
        request.specs,
        request.ids,
        request.profile,
        history_of(store, request.sweep, index, queued),
        window=window,
        pack=options.pack,
        limit=options.limit,
        only=options.only,
        extra=options.extra,
        again=options.again,
    )
