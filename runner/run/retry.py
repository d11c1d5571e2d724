"""Which ended trials are worth another attempt, and what has to change for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from artifacts.index import Index
from artifacts.record import Outcome
from cluster.profile import Profile
from jobs.spec import JobSpec
from runner.sweep.attempts import RESULTS

MORE_MEMORY = 1.5
"""An attempt that was killed for its memory is given this many times as much."""


@dataclass(frozen=True)
class Retry:
    """What to run again."""

    trials: frozenset[str]
    extra: Mapping[str, Mapping[str, Any]]
    """Resources by trial that differ from the spec's own."""
    results: Counter[str]
    """Trials left alone because their outcome is a result, by outcome."""
    at_limit: tuple[str, ...]
    """Trials that were out of memory with all their target has, and are left alone."""
    completed: frozenset[str] = frozenset()
    """Those of the trials to run that are completed already."""


def choose(
    specs: Sequence[JobSpec],
    index: Index,
    profile: Profile,
    lost_nodes: Mapping[str, str],
    *,
    only: frozenset[str] | None = None,
    force: bool = False,
    disturbed: bool = False,
) -> Retry:
    """Sort the trials that have ended without being completed.

    Args:
        specs: The trials of the sweep.
        index: Their recorded attempts.
        profile: The targets' limits.
        lost_nodes: Node by trial, for trials whose node failed.
        only: Look at none but these.
        force: Take exceptions and exhausted GPU memory too; of trials that are named, and where
            nothing else is left to run again, the completed ones as well.
        disturbed: Take, instead, the completed ones whose every completed attempt was disturbed.
    """
    chosen: set[str] = set()
    extra: dict[str, Mapping[str, Any]] = {}
    results: Counter[str] = Counter()
    at_limit = []
    for spec in specs:
        trial = spec.trial_id
        attempts = index.attempts(trial)
        if not attempts or (only is not None and trial not in only):
            continue
        if disturbed or trial in index.completed:
            good = [attempt for attempt in attempts if attempt.outcome is Outcome.completed]
            if disturbed and good and all(attempt.disturbed for attempt in good):
                chosen.add(trial)
            continue
        last = attempts[-1].outcome
        if last in RESULTS and not force:
            results[last] += 1
            continue
        if last is Outcome.out_of_memory:
            more = _more_memory(
                spec, profile, sum(attempt.outcome is Outcome.out_of_memory for attempt in attempts)
            )
            if more is None:
                at_limit.append(trial)
                continue
            extra[trial] = more
        elif last is Outcome.node_failed and trial in lost_nodes:
            extra[trial] = {"exclude": lost_nodes[trial]}
        chosen.add(trial)
    done = index.completed & (only if only is not None else {spec.trial_id for spec in specs})
    completed = (
        frozenset(done)
        if force and (only is not None or not chosen) and not disturbed
        else frozenset()
    )
    return Retry(frozenset(chosen) | completed, extra, results, tuple(at_limit), completed)


def _more_memory(spec: JobSpec, profile: Profile, kills: int) -> dict[str, Any] | None:
    """The memory of the next attempt; empty where none was ever asked for, None where the target
    has no more."""
    limit = profile.target(spec.target).mem_gb
    asked = spec.resources.get("mem_gb", limit)
    if asked is None:
        return {}
    before = asked * MORE_MEMORY ** (kills - 1)
    if limit is None:
        return {"mem_gb": before * MORE_MEMORY}
    return None if before >= limit else {"mem_gb": min(before * MORE_MEMORY, limit)}
