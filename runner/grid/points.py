"""Turn a group's blocks into its trials: put them together, exclude, collapse, check, and give each
its id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from jobs.hardware import Hardware
from jobs.registry import Workload
from jobs.spec import JobSpec
from runner.grid.blocks import Block, Cell
from runner.grid.judging import Judge
from runner.grid.problems import Origin, Problem
from runner.grid.written import Group

_FOLD = 1_000
"""Cells of an axis made by putting several together."""


@dataclass(frozen=True)
class Targets:
    """The targets of the cluster profile."""

    hardware: Mapping[str, Hardware]
    """Its targets' names, and what a trial has there."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Names in the grid that stand for another target (``--on``)."""


@dataclass
class Points:
    """The trials of a group, and what was dropped on the way."""

    specs: dict[str, JobSpec] = field(default_factory=dict)
    """Its trials by id, in the order of the grid."""
    excluded: int = 0
    """Points that an exclude entry dropped."""
    merged: int = 0
    """Points that were the same trial as another one of this group, as written."""
    collapsed: int = 0
    """Points that were the same trial as another one because a parameter could not act."""
    notes: list[str] = field(default_factory=list)
    """What the plan should say about it."""
    problems: list[Problem] = field(default_factory=list)
    """Values that cannot act, or not together."""


class Expander:
    """Expands one group.

    Args:
        group: What was written.
        workload: What computes it.
        targets: Where it may run.
        resources: The group's own, written into every spec.
    """

    def __init__(
        self, group: Group, workload: Workload, targets: Targets, resources: dict[str, Any]
    ) -> None:
        self._group, self._workload, self._targets, self._resources = (
            group,
            workload,
            targets,
            resources,
        )
        self._found = Points()
        self._points_of: Counter[str] = Counter()
        self._idle = _Idle()
        self._faults: Counter[tuple[Origin, str]] = Counter()
        self._all_targets: set[str] = set()
        self._asked = 0
        """Points that were checked, seeds apart."""

    def expand(self, blocks: list[Block]) -> Points:
        for block in blocks:
            self._expand(block)
        found, idle = self._found, self._idle
        idle_trials = {trial for trials in idle.trials.values() for trial in trials}
        for trial, points in self._points_of.items():
            if trial in idle_trials:
                found.collapsed += points - 1
            else:
                found.merged += points - 1
        axes = {
            key for key, axis in (self._group.matrix | self._group.zipped).items() if axis.count > 1
        }
        found.notes = [
            idle.note_on(note, axes, self._points_of, self._all_targets) for note in idle.trials
        ]
        for (origin, message), count in self._faults.items():
            some = (
                ""
                if count == self._asked
                else f" (in {count} of {self._asked} points: exclude them, or change one of the "
                "values)"
            )
            found.problems.append(origin.problem(message + some))
        if not self._is_rehearsal():
            found.problems += [
                origin.problem(f"{why}: leave it out")
                for origin, why in idle.dead.items()
                if origin not in idle.alive
            ]
        return found

    def _is_rehearsal(self) -> bool:
        """Return whether the group runs on other targets than it was written for; what cannot act
        there is then not a mistake."""
        return "target" in self._group.overridden or not self._all_targets.isdisjoint(
            self._targets.renamed.values()
        )

    def _expand(self, block: Block) -> None:
        isolate = self._group.isolate
        workload, hardware, renamed, label = (
            self._workload,
            self._targets.hardware,
            self._targets.renamed,
            self._group.label,
        )
        canonical, struct, judge = workload.canonical, block.struct, Judge(block, workload).judge
        specs, points_of, resources = self._found.specs, self._points_of, self._resources
        notes: list[str] = []
        for cells in product(*_folded(block.axes)):
            typed, params, excluded, target = (
                block.typed.copy(),
                block.params.copy(),
                block.always,
                "",
            )
            for cell in cells:
                typed.update(cell.typed)
                params.update(cell.params)
                excluded &= cell.excluded
                target = cell.target or target
            target = renamed.get(target, target)
            seeds = (
                [seed for seed, bits in block.seeds if not excluded & bits]
                if excluded
                else [seed for seed, _ in block.seeds]
            )
            self._found.excluded += len(block.seeds) - len(seeds)
            if not seeds:
                continue
            self._all_targets.add(target)
            self._asked += 1
            if not workload.is_custom:  # a user's own function has no rules
                changes, notes, faults = judge(typed, target, hardware[target])
                if faults:
                    self._faults.update(
                        _located(fault, block, self._group.origin) for fault in faults
                    )
                    continue
                if changes:  # also where a value is only spelled otherwise, which no note tells
                    params = canonical(struct(**typed | changes))
                if notes:
                    self._idle.look(block, notes)
                else:
                    self._idle.all_act(block)
            params = dict(sorted(params.items()))
            for seed in seeds:
                spec = JobSpec(
                    workload=workload.name,
                    target=target,
                    seed=seed,
                    params=params,
                    resources=resources,
                    group=label,
                    isolate=isolate,
                )
                trial = spec.trial_id
                points_of[trial] += 1
                specs.setdefault(trial, spec)
                for note in notes:
                    self._idle.note(note, trial, target)


class _Idle:
    """The values that could not act, and where."""

    def __init__(self) -> None:
        self.trials: dict[str, set[str]] = {}
        """By note: the ids of the trials in which a parameter could not act."""
        self.dead: dict[Origin, str] = {}
        """Values written once that could not act in some point, with the reason."""
        self.alive: set[Origin] = set()
        """Values written once that acted in some point."""
        self._targets: dict[str, set[str]] = {}
        self._whole: set[int] = set()

    def all_act(self, block: Block) -> None:
        if id(block) not in self._whole:
            self._whole.add(id(block))
            self.alive.update(block.once.values())

    def look(self, block: Block, notes: list[str]) -> None:
        """Separate the values that act in this point from those that do not."""
        notes_by_name = dict(note.split(": ", 1) for note in notes)
        for key, origin in block.once.items():
            if key not in notes_by_name:  # it acts, if under another spelling
                self.alive.add(origin)
            elif origin not in self.dead:
                self.dead[origin] = notes_by_name[key]

    def note(self, note: str, trial: str, target: str) -> None:
        self.trials.setdefault(note, set()).add(trial)
        self._targets.setdefault(note, set()).add(target)

    def note_on(
        self, note: str, axes: set[str], points_of: Mapping[str, int], all_targets: set[str]
    ) -> str:
        """Return the note with the number of trials that it concerns."""
        trials = self.trials[note]
        where = (
            ""
            if self._targets[note] == all_targets
            else f" (target {', '.join(sorted(self._targets[note]))})"
        )
        if note.partition(":")[0] in axes:
            return (
                f"{note}{where}: {sum(points_of[trial] for trial in trials)} trials collapsed "
                f"into {len(trials)}"
            )
        return f"{note}{where}: left at its default in {len(trials)} trial{'s' * (len(trials) > 1)}"


def _folded(axes: list[list[Cell]]) -> list[list[Cell]]:
    """Return the same product from fewer, longer axes: neighbors are put together once instead of
    once per trial."""
    folded: list[list[Cell]] = []
    for axis in reversed(axes):
        if folded and len(axis) * len(folded[0]) <= _FOLD:
            folded[0] = [_together(left, right) for left in axis for right in folded[0]]
        else:
            folded.insert(0, axis)
    return folded


def _together(left: Cell, right: Cell) -> Cell:
    return Cell(
        left.typed | right.typed,
        left.params | right.params,
        left.target or right.target,
        left.excluded & right.excluded,
    )


def _located(fault: str, block: Block, otherwise: Origin) -> tuple[Origin, str]:
    """Return where the parameter that a fault begins with was written, and the fault without it."""
    key, colon, rest = fault.partition(": ")
    if colon and key in block.origins:
        return block.origins[key], rest
    return otherwise, fault
