"""Job specs minus recorded trials -> arrays of packs; pure, so that ``--dry-run`` shows the real
plan."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from cluster.profile import Profile
from cluster.resources import Resources
from jobs.spec import JobSpec

TASKS_PER_ARRAY = 200
"""A grid of trials whose duration is not known becomes at most about this many tasks per resource
class."""


@dataclass(frozen=True)
class History:
    """What earlier attempts say about the trials of a sweep."""

    completed: frozenset[str] = frozenset()
    """Trials with a completed record."""
    last_attempt: Mapping[str, int] = field(default_factory=dict)
    """Highest attempt number taken, by trial."""
    failed: frozenset[str] = frozenset()
    """Trials whose last attempt failed of their own, or took its process down: they may do so
    again, unless something was mended."""
    queued: frozenset[str] = frozenset()
    """Trials that a scheduler still holds: they are left to it."""
    duration_s: Mapping[str, float] = field(default_factory=dict)
    """How long completed attempts took, by trial."""


@dataclass(frozen=True)
class Changed:
    """The completed trials of a group that other code or data was used for than would be now."""

    group: str
    completed: int
    """Its trials with a completed record."""
    data: tuple[str, ...]
    """Those of them that were computed on other data, by id."""
    datasets: tuple[str, ...]
    """Names of the datasets that have changed."""
    code: tuple[str, ...] = ()
    """Those of the completed trials that were computed by other code, by id."""
    files: tuple[str, ...] = ()
    """Names of the files that have changed; empty where the store has not kept the other code."""

    @property
    def trials(self) -> frozenset[str]:
        """Return all that has changed, by id."""
        return frozenset((*self.data, *self.code))


@dataclass(frozen=True)
class Window:
    """How much a scheduler takes; None is no limit."""

    max_array: int | None
    """Tasks of one array."""
    max_tasks: int | None
    """Tasks that the user may have in the queue."""


UNLIMITED = Window(None, None)


@dataclass(frozen=True)
class Todo:
    """A trial to run."""

    line: int
    """Its place in the specs."""
    trial: str
    attempt: int


Pack = tuple[Todo, ...]


@dataclass(frozen=True)
class PlannedArray:
    """One array job: tasks that ask for the same resources."""

    target: str
    resources: Resources
    """Of one task; ``time_min`` covers its whole pack."""
    trial_time_min: float | None
    packs: tuple[Pack, ...]

    @property
    def trials(self) -> int:
        """Return the trials in all packs."""
        return sum(len(pack) for pack in self.packs)

    @property
    def gpu_hours(self) -> float | None:
        """Return the GPU-hours asked for if every task used its whole limit; None without a
        limit."""
        limit = self.resources.time_min
        return None if limit is None else self.resources.gpus * len(self.packs) * limit / 60


@dataclass(frozen=True)
class Plan:
    """What submit would do now."""

    arrays: tuple[PlannedArray, ...]
    completed: int
    """Trials left alone because they have a completed record."""
    queued: int
    """Trials left alone because the scheduler holds them."""
    held_back: int
    """Trials that ``--limit`` left for later."""
    changed: tuple[Changed, ...] = ()
    """Groups with completed trials whose code or data has changed since."""

    @property
    def trials(self) -> int:
        """Return the trials to run."""
        return sum(array.trials for array in self.arrays)

    @property
    def gpu_hours(self) -> float | None:
        """Return the GPU-hours asked for if every task used its whole limit; None if a task with a
        GPU has no limit."""
        asked = [array.gpu_hours for array in self.arrays if array.resources.gpus]
        known = [hours for hours in asked if hours is not None]
        return sum(known) if len(known) == len(asked) else None


def make_plan(
    specs: Sequence[JobSpec],
    ids: Sequence[str],
    profile: Profile,
    history: History,
    *,
    window: Window | None,
    pack: int | None = None,
    limit: int | None = None,
    only: frozenset[str] | None = None,
    again: bool = False,
    rerun: frozenset[str] = frozenset(),
    extra: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """Group what is left to run into arrays of packs.

    Args:
        specs: All trials of the grid, in its order.
        ids: Their ids.
        profile: Where each target's resources are defined.
        history: What is recorded or queued already.
        window: Limits of the scheduler that the tasks are queued with, where several trials share
            one; None for a backend of warm workers, which gains nothing from packs and loses
            isolation.
        pack: Trials per task; chosen from durations and limits if None.
        limit: Run at most this many trials now.
        only: Run none but these trials.
        again: Run them even if they are completed.
        rerun: Run these too, although they are completed.
        extra: Resources by trial that differ from the spec's own, as after an out-of-memory kill.
    """
    todo: list[Todo] = []
    completed = queued = 0
    for line, trial in enumerate(ids):
        if only is not None and trial not in only:
            continue
        if trial in history.completed and not again and trial not in rerun:
            completed += 1
        elif trial in history.queued:
            queued += 1
        else:
            todo.append(Todo(line, trial, history.last_attempt.get(trial, 0) + 1))
    todo.sort(
        key=lambda item: item.trial in history.failed
    )  # the others first: neither a failure that is a result nor one that ends what runs them all
    # must keep them waiting
    now = todo if limit is None else todo[:limit]
    expected_s = _expected_s(specs, ids, history.duration_s) if window else {}
    arrays = tuple(
        array
        for (target, own, _), members in _by_resources(now, specs, extra or {}).items()
        for array in _cut(
            _array(target, own, members, specs, profile, expected_s, window, pack), window
        )
    )
    return Plan(arrays, completed=completed, queued=queued, held_back=len(todo) - len(now))


def _by_resources(
    todo: Iterable[Todo], specs: Sequence[JobSpec], extra: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, bytes, bool], list[Todo]]:
    classes: dict[tuple[str, bytes, bool], list[Todo]] = defaultdict(list)
    for item in todo:
        spec = specs[item.line]
        own = {**spec.resources, **extra[item.trial]} if item.trial in extra else spec.resources
        classes[
            spec.target, msgspec.json.encode(own, order="sorted") if own else b"{}", spec.isolate
        ].append(item)
    return classes


def _array(
    target: str,
    own_text: bytes,
    members: list[Todo],
    specs: Sequence[JobSpec],
    profile: Profile,
    expected_s: Mapping[tuple[str, str], float],
    window: Window | None,
    pack: int | None,
) -> PlannedArray:
    own: dict[str, Any] = msgspec.json.decode(own_text)
    of_target = profile.targets[target]
    resources = of_target.merged(own)
    trial_limit: float | None = own.get("time_min")
    if window is None:
        return PlannedArray(
            target, resources, resources.time_min, tuple((item,) for item in members)
        )
    size = (
        pack
        or profile.slurm.pack
        or _pack_size(members, specs, expected_s, profile.slurm.pack_min, window)
    )
    longest = max(filter(None, (of_target.time_min, trial_limit)), default=None)
    if trial_limit and longest and not (pack or profile.slurm.pack):
        size = max(1, min(size, int(longest // trial_limit)))
    # A pack that outlives the target's limit is not cut short: it is checkpointed, requeued and
    # goes on.
    wall = longest if trial_limit is None else min(trial_limit * size, longest or math.inf)
    packs = tuple(tuple(members[start : start + size]) for start in range(0, len(members), size))
    return PlannedArray(
        target, msgspec.structs.replace(resources, time_min=wall), trial_limit, packs
    )


def _pack_size(
    members: Sequence[Todo],
    specs: Sequence[JobSpec],
    expected_s: Mapping[tuple[str, str], float],
    pack_min: float,
    window: Window,
) -> int:
    known = [expected_s.get(_kind(specs[item.line])) for item in members]
    durations = [seconds for seconds in known if seconds is not None]
    if len(durations) == len(members):
        return max(
            1, min(len(members), round(60 * pack_min / max(statistics.fmean(durations), 1e-3)))
        )
    return math.ceil(len(members) / min(TASKS_PER_ARRAY, window.max_tasks or TASKS_PER_ARRAY))


def _cut(array: PlannedArray, window: Window | None) -> Iterable[PlannedArray]:
    """Arrays of no more tasks than the scheduler takes in one."""
    size = window.max_array if window and window.max_array else max(1, len(array.packs))
    return (
        replace(array, packs=array.packs[start : start + size])
        for start in range(0, len(array.packs), size)
    )


def _expected_s(
    specs: Sequence[JobSpec], ids: Sequence[str], duration_s: Mapping[str, float]
) -> dict[tuple[str, str], float]:
    """Median duration of the recorded trials of each kind, in seconds."""
    if not duration_s:
        return {}
    by_kind: dict[tuple[str, str], list[float]] = defaultdict(list)
    for spec, trial in zip(specs, ids, strict=True):
        known = duration_s.get(trial)
        if known is not None:
            by_kind[_kind(spec)].append(known)
    return {kind: statistics.median(known) for kind, known in by_kind.items()}


def _kind(spec: JobSpec) -> tuple[str, str]:
    return spec.workload, spec.target
