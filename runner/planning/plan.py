"""From a checked request to its plan: the read-only half of submit, so that plan and submit cannot
disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from cluster.errors import ClusterError, Infeasible
from cluster.open import check_room_here, is_local
from runner.planning.history import history_of
from runner.planning.packing import UNLIMITED, Plan, PlannedArray, Window, make_plan
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


def plan_request(request: Request, sweep: Sweep, options: Options) -> Plan:
    """Return what submit does; reads and changes nothing.

    Raises:
        Infeasible: An array could never run.
        ClusterError: The scheduler does not tell its limits.
    """
    if is_local(request.backend):
        plan = _plan(request, sweep, options, None)
        for array in plan.arrays:
            check_room_here(request.backend, _name(request, array), array.resources)
        return plan
    limits = sweep.limits
    plan = _plan(request, sweep, options, Window(limits.max_array_size, limits.max_submit))
    for array in plan.arrays:
        sweep.scheduler.check_room(_name(request, array), array.resources)
    return plan


def preview_request(request: Request, sweep: Sweep, options: Options) -> Plan:
    """Return what submit would do, also away from the cluster, where nobody can tell its limits.

    Raises:
        Infeasible: An array could never run.
    """
    try:
        return plan_request(request, sweep, options)
    except Infeasible:
        raise
    except ClusterError:
        return _plan(request, sweep, options, UNLIMITED)


def scripts(request: Request, sweep: Sweep, plan: Plan) -> list[str]:
    """Return the batch script of each class of arrays that a scheduler would be given; none where
    no scheduler is.

    Only the number of the array, which is part of the job's name, and the name of the file that
    carries the call are made at submit.
    """
    if is_local(request.backend):
        return []
    first = {
        (array.target, msgspec.json.encode(array.resources)): array
        for array in reversed(plan.arrays)
    }
    return [
        sweep.scheduler.script(len(array.packs), array.resources, name=request.sweep)
        for array in reversed(first.values())
    ]


def _plan(request: Request, sweep: Sweep, options: Options, window: Window | None) -> Plan:
    """Return the plan within a scheduler's limits; None for a backend whose every task is one
    trial."""
    return make_plan(
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
    )


def _name(request: Request, array: PlannedArray) -> str:
    """Return what an error calls the array."""
    return f"{request.sweep}-{array.target}"
