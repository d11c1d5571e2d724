"""Which completed trials were computed on other data than would be used now.

What is not known, as of records that an earlier version wrote, is not called other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from artifacts.index import Attempt
from artifacts.record import Outcome
from jobs.registry import dataset_of
from runner.planning.packing import Changed
from runner.planning.request import Request
from runner.sweep.sweep import Sweep


def changes(request: Request, sweep: Sweep) -> tuple[Changed, ...]:
    """Return the groups of which something has changed.

    A trial is up to date if any of its completed attempts is.

    Args:
        request: The grid; its datasets are looked at if something is completed.
        sweep: Its records.
    """
    completed: Counter[str] = Counter()
    data: dict[str, dict[str, str]] = {}
    for trial, group, dataset in _completed(request, sweep):
        completed[group] += 1
        if dataset is not None and _is_other(
            request.data.get(dataset), sweep.index.attempts(trial)
        ):
            data.setdefault(group, {})[trial] = dataset
    return tuple(
        Changed(group, completed[group], tuple(found), tuple(dict.fromkeys(found.values())))
        for group, found in data.items()
    )


def _completed(request: Request, sweep: Sweep) -> Iterator[tuple[str, str, str | None]]:
    """Each trial with a completed record, its group, and the dataset that it reads."""
    for spec, trial in zip(request.specs, request.ids, strict=True):
        if trial in sweep.index.completed:
            yield trial, spec.group, dataset_of(spec.workload, spec.params)


def _is_other(now: str | None, attempts: Sequence[Attempt]) -> bool:
    """Whether every completed attempt is known to have read something else."""
    return now is not None and all(
        attempt.data_digest not in (None, now)
        for attempt in attempts
        if attempt.outcome is Outcome.completed
    )
