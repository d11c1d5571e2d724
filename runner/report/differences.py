"""What has changed since the trials of a sweep were computed: code, data and packages, as against
what a submit would use now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from artifacts.preferred import counted
from artifacts.store import Store
from jobs.errors import JobsError
from jobs.registry import dataset_of
from runner.errors import FrozenFileDamaged
from runner.planning.changes import code_now, used_now
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
from runner.sweep.surroundings import differences, digest_of
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
class OtherPackages:
    """Completed trials whose worker found other packages than are installed now."""

    trials: int
    changes: Mapping[str, tuple[str | None, str | None]]
    """Versions then and now, by name; None where it is not installed. Empty if they were those of
    no submission, as on a node with packages of its own: the records name these."""


@dataclass(frozen=True)
class Differences:
    """All that has changed for one sweep."""

    sweep: str
    completed: int
    """Trials with a completed record."""
    code: tuple[OtherCode, ...]
    data: tuple[OtherData, ...]
    packages: tuple[OtherPackages, ...]
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
    packages: Counter[str] = Counter()
    here = installed_packages()
    completed = 0
    for spec, trial in zip(request.specs, request.ids, strict=True):
        one = counted(sweep.index.attempts(trial), used_now(request, spec))
        if one is None:
            continue
        completed += 1
        dataset = dataset_of(spec.workload, spec.params) or ""
        if request.code is not None and one.code not in (None, request.code):
            codes[one.code] += 1
        now = request.data.get(dataset)
        if now is not None and one.data_digest not in (None, now):
            data[dataset, one.data_digest, now] += 1
        if one.packages_digest not in (None, digest_of(here)):
            packages[one.packages_digest] += 1
    after = code_now(request, sweep.store) if codes else None
    known = {digest_of(found): found for found in _packages(sweep)}
    return Differences(
        sweep.shown_name,
        completed,
        tuple(_of_code(sweep.store, digest, n, after) for digest, n in codes.most_common()),
        tuple(OtherData(name, n, was, now) for (name, was, now), n in data.most_common()),
        tuple(
            OtherPackages(n, differences(known.get(digest, here), here))
            for digest, n in packages.most_common()
        ),
        tuple(notes),
    )


def _packages(sweep: Sweep) -> Iterator[Mapping[str, str]]:
    """What each submission found installed."""
    for submission in sweep.submissions:
        with suppress(FrozenFileDamaged):
            yield submission.about.environment.packages


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
