"""From a checked request to its plan: the read-only half of submit, so that plan and submit cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from artifacts.index import Index
from artifacts.store import Store
from cluster.backend import resolve
from runner.history import history_of
from runner.plan import Plan, make_plan
from runner.request import Request

LOCAL_BACKENDS = frozenset({"ray", "inline"})
"""Their workers end with the submit that drives them."""


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


def plan_request(request: Request, store: Store, options: Options, index: Index | None = None) -> Plan:
    """What submit would do now; reads and changes nothing.

    Args:
        request: The grid, checked.
        store: Where records may be already; need not exist.
        options: Limits of this submit.
        index: The store's index of the sweep, if the caller has just read it.
    """
    found = index if index is not None else store.index(request.sweep)
    return make_plan(
        request.specs,
        request.ids,
        request.profile,
        history_of(store, request.sweep, found),
        packed=resolve(request.about.backend, request.profile) not in LOCAL_BACKENDS,
        pack=options.pack,
        limit=options.limit,
        only=options.only,
        extra=options.extra,
        again=options.again,
    )
