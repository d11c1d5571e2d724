"""What has changed since the trials of a sweep were computed: code, data and packages, as against
what a submit would use now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artifacts.record import Outcome
from artifacts.store import Store
from jobs.errors import JobsError
from jobs.registry import dataset_of
from runner.planning.changes import code_now
from runner.planning.request import Request, frozen_request, request_now
from runner.sweep.code_changes import (
    ChangedFile,
    CodeState,
    changed_files,
    frozen_state,
    unified_diff,
)
from runner.sweep.provenance import installed_packages
from runner.sweep.snapshot import LIVE
from runner.sweep.sweep import Sweep


@dataclass(frozen=True)
class OtherCode:
    """Completed trials that were computed by other code than would run now."""

    digest: str
    trials: int
    files: tuple[ChangedFile, ...]
    diff: str
    """As ``diff -u`` has it, from then to now."""
    trouble: str = ""
    """Why the two cannot be compared; empty if they can."""


@dataclass(frozen=True)
class OtherData:
    """Completed trials that read other data than they would now."""

    dataset: str
    trials: int
    digest: str
    now: str


@dataclass(frozen=True)
class Differences:
    """All that has changed for one sweep."""

    sweep: str
    completed: int
    """Trials with a completed record."""
    code: tuple[OtherCode, ...]
    data: tuple[OtherData, ...]
    packages: Mapping[str, tuple[str | None, str | None]]
    """Versions at the latest submit and now, by name; None where it is not installed."""
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.code or self.data or self.packages)


def differences_of(sweep: Sweep) -> Differences:
    """Return what has changed; changes nothing.

    Raises:
        UnknownSweep: The store has no submission of it.
        CodeTooLarge: The code is more than the profile allows.
    """
    request, notes = _request_now(sweep)
    codes: Counter[str] = Counter()
    data: Counter[tuple[str, str, str]] = Counter()
    completed = 0
    for spec, trial in zip(request.specs, request.ids, strict=True):
        attempts = [one for one in sweep.index.attempts(trial) if one.outcome is Outcome.completed]
        if not attempts:
            continue
        completed += 1
        last, dataset = attempts[-1], dataset_of(spec.workload, spec.params)
        if request.code is not None and last.code not in (None, request.code):
            codes[last.code] += 1
        now = request.data.get(dataset or "")
        if now is not None and last.data_digest not in (None, now):
            data[dataset or "", last.data_digest, now] += 1
    after = code_now(request, sweep.store) if codes else None
    then, here = sweep.latest.about.environment.packages, installed_packages()
    return Differences(
        sweep.shown_name,
        completed,
        tuple(_of_code(sweep.store, digest, n, after) for digest, n in codes.most_common()),
        tuple(OtherData(name, n, was, now) for (name, was, now), n in data.most_common()),
        {
            name: (then.get(name), here.get(name))
            for name in sorted(then.keys() | here.keys())
            if then.get(name) != here.get(name)
        },
        tuple(notes),
    )


def _request_now(sweep: Sweep) -> tuple[Request, list[str]]:
    """The latest submission with the code that is there now; where that is not there, as on another
    machine, with the code that it froze, and a note."""
    latest = sweep.latest
    code = latest.about.code
    gone = [root.live for root in code.roots if not Path(root.live).is_dir()] if code else []
    try:
        if not gone:
            return request_now(latest), []
        trouble = f"{', '.join(gone)} is not here"
    except JobsError as error:
        trouble = str(error)
    return frozen_request(latest), [
        f"{trouble}: compared with the code that the latest submit froze"
    ]


def _of_code(store: Store, digest: str, trials: int, after: CodeState | None) -> OtherCode:
    before = None if digest == LIVE else frozen_state(store, digest)
    if before is None or after is None:
        trouble = (
            "live code, of which nothing was kept"
            if digest == LIVE
            else "live code would run now, which is not frozen"
            if before is not None
            else "the store has not kept it"
        )
        return OtherCode(digest, trials, (), "", trouble)
    return OtherCode(
        digest, trials, tuple(changed_files(before, after)), unified_diff(before, after)
    )
