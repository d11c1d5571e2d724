"""Which completed trials were computed by other code, or on other data, than would be used now.

What is not known, as of records that an earlier version wrote, is not called other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from artifacts.preferred import Preferred, counted
from artifacts.store import Store
from jobs.registry import dataset_of
from jobs.spec import JobSpec
from runner.planning.packing import Changed
from runner.planning.request import Request
from runner.sweep.circumstances import needs_code
from runner.sweep.code_changes import CodeState, changed_files, frozen_state, live_state
from runner.sweep.snapshot import LIVE
from runner.sweep.sweep import Sweep


def changes(request: Request, sweep: Sweep) -> tuple[Changed, ...]:
    """Return the groups of which something has changed.

    Of a trial the completed attempt is looked at that would count after a submit now.

    Args:
        request: The grid; its code and its datasets are looked at if something is completed.
        sweep: Its records.

    Raises:
        CodeTooLarge: The code is more than the profile allows.
    """
    completed: Counter[str] = Counter()
    data: dict[str, dict[str, str]] = {}
    code: dict[str, list[str]] = {}
    others: dict[str, set[str]] = {}
    for spec, trial in _completed(request, sweep):
        completed[spec.group] += 1
        now = used_now(request, spec)
        attempt = counted(sweep.index.attempts(trial), now)
        if attempt is None:
            continue
        if now.data and attempt.data_digest not in (None, *now.data):
            data.setdefault(spec.group, {})[trial] = dataset_of(spec.workload, spec.params) or ""
        if now.code and attempt.code is not None and attempt.code not in (LIVE, *now.code):
            code.setdefault(spec.group, []).append(trial)
            others.setdefault(spec.group, set()).add(attempt.code)
    return tuple(
        Changed(
            group,
            completed[group],
            tuple(data.get(group, ())),
            tuple(dict.fromkeys(data.get(group, {}).values())),
            tuple(code.get(group, ())),
            changed_names(request, sweep.store, others.get(group, ())),
        )
        for group in completed
        if group in data or group in code
    )


def used_now(request: Request, spec: JobSpec) -> Preferred:
    """Return what a submit of the request would compute a trial with; empty where that is not
    known, or the trial needs none.

    Raises:
        CodeTooLarge: The code is more than the profile allows.
    """
    code = request.code if needs_code(spec) else None
    data = request.data.get(dataset_of(spec.workload, spec.params) or "")
    return Preferred(
        code=frozenset() if code in (None, LIVE) else frozenset({code}),
        data=frozenset() if data is None else frozenset({data}),
    )


def changed_names(request: Request, store: Store, others: Iterable[str]) -> tuple[str, ...]:
    """Return the files that differ between the code of the request and that of some digests.

    Args:
        request: Its code is frozen, or would be now.
        store: That has kept the others.
        others: Digests, as records have them.
    """
    frozen = [state for other in sorted(others) if (state := frozen_state(store, other))]
    now = code_now(request, store) if frozen else None
    if now is None:
        return ()
    names = {changed.name for state in frozen for changed in changed_files(state, now)}
    return tuple(sorted(names))


def code_now(request: Request, store: Store) -> CodeState | None:
    """Return the code that a submit of the request would run; None where there is none to look
    at."""
    if request.sources is not None:
        return live_state(request.sources, request.profile.snapshot)
    code = request.about.code
    return None if code is None else frozen_state(store, code.digest)


def _completed(request: Request, sweep: Sweep) -> Iterator[tuple[JobSpec, str]]:
    """Each trial with a completed record."""
    for spec, trial in zip(request.specs, request.ids, strict=True):
        if trial in sweep.index.completed:
            yield spec, trial
