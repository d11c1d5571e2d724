"""From a checked request to its plan: the read-only half of submit, so that plan and submit cannot
disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from cluster.errors import ClusterError
from cluster.open import check_room_here
from runner.planning.changes import changes
from runner.planning.history import history_of
from runner.planning.packing import UNLIMITED, Plan, Window, make_plan
from runner.planning.request import Request
from runner.sweep.sweep import Sweep


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
    rerun_changed: bool = False
    """Run completed trials again whose code or data has changed since."""


@dataclass(frozen=True)
class Preview:
    """What submit would do now."""

    plan: Plan
    scripts: list[str]
    """The batch script of each class of arrays that a scheduler would be given.

    Only the number of the array, which is part of the job's name, and the name of the file that
    carries the call are made at submit.
    """


def plan_request(request: Request, sweep: Sweep, options: Options) -> Plan:
    """Return what submit does; reads and changes nothing.

    Raises:
        Infeasible: An array could never run.
        ClusterError: The scheduler does not tell its limits.
    """
    return _plan(request, sweep, options, _window(request, sweep))


def preview_request(request: Request, sweep: Sweep, options: Options) -> Preview:
    """Return what submit would do, also away from the cluster, where nobody can tell its limits.

    Raises:
        Infeasible: An array could never run.
        CodeTooLarge: The user's code is more than a submit copies.
    """
    _ = request.code  # measured, as submit does before it queues anything
    try:
        window = _window(request, sweep)
    except ClusterError:
        window = UNLIMITED
    plan = _plan(request, sweep, options, window)
    return Preview(plan, [] if request.local else _scripts(sweep, plan))


def _window(request: Request, sweep: Sweep) -> Window | None:
    """Return the scheduler's limits; None for a local backend, whose every task is one trial."""
    if request.local:
        return None
    return Window(sweep.limits.max_array_size, sweep.limits.max_submit)


def _plan(request: Request, sweep: Sweep, options: Options, window: Window | None) -> Plan:
    # Whoever names trials to run again knows why.
    changed = () if options.only is not None else changes(request, sweep)
    rerun = frozenset(trial for group in changed for trial in group.trials)
    plan = make_plan(
        request.specs,
        request.ids,
        request.profile,
        history_of(sweep),
        window=window,
        pack=options.pack,
        limit=options.limit,
        only=options.only,
        extra=options.extra,
        again=options.again,
        rerun=rerun if options.rerun_changed else frozenset(),
    )
    plan = replace(plan, changed=changed)
    for array in plan.arrays:
        name = f"{request.sweep}-{array.target}"
        if request.local:
            check_room_here(request.local, name, array.resources)
        elif window is not UNLIMITED:  # else nobody is there to ask
            sweep.scheduler.check_room(name, array.resources)
    return plan


def _scripts(sweep: Sweep, plan: Plan) -> list[str]:
    first = {
        (array.target, msgspec.json.encode(array.resources)): array
        for array in reversed(plan.arrays)
    }
    return [
        sweep.scheduler.script(len(array.packs), array.resources, name=sweep.name)
        for array in reversed(first.values())
    ]
