"""Expand grid.yaml to job specs, in the one function that the rest of the runner calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cluster.checking import check_fields
from cluster.resources import Resources
from jobs.errors import JobsError, UnknownWorkload
from jobs.hardware import Hardware
from jobs.importing import why_out_of_reach
from jobs.registry import is_custom, workload
from jobs.spec import JobSpec, NotPlain, plain
from runner.grid.blocks import build_blocks, count_points, repeated_values
from runner.grid.effective import effective_text
from runner.grid.excludes import mark_excluded
from runner.grid.language import Reader
from runner.grid.overrides import apply_overrides
from runner.grid.points import Expander, Points, Targets
from runner.grid.problems import GridError, Origin, Problem, in_order, nearest, show
from runner.grid.source import load_yaml, mapping_source
from runner.grid.values import BadValue, Parameters
from runner.grid.written import Grid, Group, Value

MAX_TRIALS = 100_000

_A_COMMAND = '"python train.py --lr {lr}"'


@dataclass(frozen=True)
class GroupCount:
    """How one group's points became trials: ``points = excluded + merged + collapsed + trials``."""

    label: str
    workload: str
    points: int
    excluded: int
    merged: int
    collapsed: int
    trials: int


@dataclass(frozen=True)
class Expanded:
    """An expanded grid."""

    name: str
    """The sweep."""
    description: str
    """What its author says about it."""
    specs: list[JobSpec]
    """Its trials, each once, in the order of the grid."""
    ids: list[str]
    """Their ids, in the same order."""
    merged: int
    """Points that were the same trial as another one, within a group or from overlapping ones."""
    collapsed: int
    """Points that were the same trial as another one because a parameter could not act in them."""
    notes: list[str]
    """What the plan should say: values given twice, parameters that cannot act."""
    groups: tuple[GroupCount, ...]
    """The same counts by group."""
    text: str = ""
    """The grid as it was read."""
    effective: str = ""
    """The grid after ``sets`` and ``on``; empty if there are none."""


def load_grid(
    grid: Path | Mapping[str, Any],
    *,
    folder: Path | None = None,
    targets: Mapping[str, Hardware],
    profile_name: str,
    sets: Sequence[str] = (),
    on: Mapping[str, str] | None = None,
    max_trials: int = MAX_TRIALS,
) -> Expanded:
    """Read a grid and expand it.

    Args:
        grid: Its file, which is read once, so it may be a pipe; or what such a file would hold.
        folder: Where the modules of the user's are looked for first; the file's own folder if None.
        targets: The profile's targets, and what a trial has there.
        profile_name: How problems name the profile.
        sets: ``--set`` as typed: ``key=value``, ``key=value,value``, ``group.key=...``.
        on: Targets of the grid that are to run on another one (``--on a30=cpu``).
        max_trials: A grid of more points is refused before anything is built.

    Raises:
        GridError: With every problem found.
    """
    source = load_yaml(grid) if isinstance(grid, Path) else mapping_source(grid)
    if source.data is None and source.problems:
        raise GridError(in_order(source.problems))
    reader = Reader(source, max_trials)
    folder = folder or (grid.parent if isinstance(grid, Path) else Path.cwd())
    expansion = _Expansion(reader.read(), Targets(targets, on or {}), profile_name, folder)
    found = expansion.check(sets, max_trials, Origin(source.file, source.line_of(("groups",)), ""))
    problems = [*reader.problems, *found]
    points = expansion.expand(problems)
    problems = [
        *source.problems,
        *(problem for problem in problems if problem.line not in source.unreadable),
    ]
    if problems:
        raise GridError(tuple(map(source.placed, in_order(problems))))
    return replace(
        expansion.joined(points),
        text=source.text,
        effective=expansion.effective() if sets or on else "",
    )


class _Expansion:
    """The steps from a grid to its trials; each step needs what the one before found."""

    def __init__(self, grid: Grid, targets: Targets, profile_name: str, folder: Path) -> None:
        self._grid, self._targets, self._profile_name = grid, targets, profile_name
        self._import_path = tuple(
            dict.fromkeys(str(place.resolve()) for place in (folder, Path.cwd()))
        )
        self._known: dict[int, Parameters] = {}
        self._points: list[int] = []
        self._too_many = False

    def check(self, sets: Sequence[str], max_trials: int, origin: Origin) -> list[Problem]:
        """Report what is wrong with the grid before any point is built."""
        groups = self._grid.groups
        problems: list[Problem] = []
        for index, group in enumerate(groups):
            try:
                self._known[index] = Parameters(workload(group.workload, self._import_path))
            except UnknownWorkload as error:
                named = (
                    f"{nearest(error.name, error.known)} (or package.module:function, or for a "
                    f"script command: {_A_COMMAND})"
                )
                problems.append(
                    group.workload_origin.problem(f"no workload '{error.name}': {named}")
                )
            except JobsError as error:
                problems.append(group.workload_origin.problem(str(error)))
        problems += apply_overrides(sets, groups, self._known, max_trials)
        problems += self._check_targets()
        for group in groups:
            problems += _check_resources(group)
        self._points = [count_points(group) for group in groups]
        total = sum(self._points)
        if total > max_trials:
            self._too_many = True
            problems.append(
                origin.problem(
                    f"expands to {total:,} trials, more than {max_trials:,}: make it smaller, or "
                    "raise --max-trials"
                )
            )
        return problems

    def _check_targets(self) -> list[Problem]:
        problems, written = [], set()
        hardware, renamed = self._targets.hardware, self._targets.renamed
        for group in self._grid.groups:
            named: set[str] = set()
            for value in _targets_written(group):
                name = value.value
                if not isinstance(name, str):
                    problems.append(
                        value.origin.problem(f"expected the name of a target, got {show(name)}")
                    )
                    group.broken.add("target")
                elif name not in renamed and name not in hardware and name not in named:
                    named.add(name)
                    group.broken.add("target")
                    problems.append(
                        value.origin.problem(
                            f"{self._no_target(name)} add it there, or map it with --on "
                            f"{name}=TARGET"
                        )
                    )
                written.add(str(name))
        for name, meant in renamed.items():
            if name not in written:
                problems.append(
                    Problem(
                        "--on",
                        0,
                        f"{name}={meant}",
                        f"the grid has no target '{name}': {nearest(name, written)}",
                    )
                )
            if meant not in hardware:
                problems.append(
                    Problem(
                        "--on", 0, f"{name}={meant}", f"{self._no_target(meant)} name one of these"
                    )
                )
                for group in self._grid.groups:
                    group.broken.add("target")
        return problems

    def _no_target(self, name: str) -> str:
        known = sorted(self._targets.hardware)
        guess = nearest(name, known)
        near = f" {guess}" if guess.startswith("did") else ""
        return f"{self._profile_name} has no target '{name}' (it has {', '.join(known)}):{near}"

    def expand(self, problems: list[Problem]) -> list[Points]:
        """Return the points of every group; a group with a mistake has none."""
        expanded = []
        for index, group in enumerate(self._grid.groups):
            parameters = self._known.get(index)
            if parameters is None or self._too_many:
                continue
            before = len(problems)
            blocks = build_blocks(group, parameters, problems)
            problems += mark_excluded(group, None if group.only_includes else blocks[0], parameters)
            if group.broken or len(problems) > before:
                problems += _judged_alone(
                    group, parameters
                )  # no point is built, and these would only be told the next time
                continue
            resources = (
                {}
                if problems
                else {key: plain(value.value) for key, value in group.resources.items()}
            )
            points = Expander(
                group,
                parameters.workload,
                _with_cpus(self._targets, resources.get("cpus")),
                resources,
            ).expand(blocks)
            points.notes = [*repeated_values(group.matrix.items(), parameters), *points.notes]
            problems += points.problems
            problems += self._unreachable_models(group, points)
            expanded.append(points)
        return expanded

    def _unreachable_models(self, group: Group, points: Points) -> Iterator[Problem]:
        """Report the user's own models that another module of the same name would hide."""
        specs = [spec for spec in points.specs.values() if not is_custom(spec.workload)]
        for model in dict.fromkeys(str(spec.params.get("model", "")) for spec in specs):
            module, colon, _ = model.partition(":")
            if colon and (why := why_out_of_reach(module, self._import_path)):
                yield dict(group.origins()).get("model", group.origin).problem(f"{model}: {why}")

    def effective(self) -> str:
        """Return the text of the grid as it was expanded."""
        return effective_text(self._grid, self._targets.renamed)

    def joined(self, expanded: list[Points]) -> Expanded:
        """Return the trials of all groups, each once."""
        trials: dict[str, JobSpec] = {}
        counts, notes = [], []
        for group, points, written in zip(self._grid.groups, expanded, self._points, strict=True):
            new = {trial: spec for trial, spec in points.specs.items() if trial not in trials}
            merged = points.merged + len(points.specs) - len(new)
            shared = (
                [trial for trial in points.specs if trial in trials]
                if len(new) < len(points.specs)
                else []
            )
            head = f"{group.label}: " if len(self._grid.groups) > 1 else ""
            if any(trials[trial].resources != points.specs[trial].resources for trial in shared):
                notes.append(
                    f"{head}trials that an earlier group has too run with that group's resources"
                )
            if any(trials[trial].isolate != points.specs[trial].isolate for trial in shared):
                notes.append(
                    f"{head}trials that an earlier group has too are isolated as that group says"
                )
            notes += [f"{head}{note}" for note in points.notes]
            trials |= new
            counts.append(
                GroupCount(
                    group.label,
                    group.workload,
                    written,
                    points.excluded,
                    merged,
                    points.collapsed,
                    len(new),
                )
            )
        merged, collapsed = (
            sum(count.merged for count in counts),
            sum(count.collapsed for count in counts),
        )
        return Expanded(
            self._grid.name,
            self._grid.description,
            list(trials.values()),
            list(trials),
            merged,
            collapsed,
            notes,
            tuple(counts),
        )


def _judged_alone(group: Group, parameters: Parameters) -> Iterator[Problem]:
    """Report values that are wrong whatever the other values are."""
    values = [
        (key, value, axis.origin)
        for key, axis in (group.matrix | group.zipped).items()
        for value in axis.values
    ]
    values += [
        (key, value, value.origin)
        for given in (group.fixed, *(entry.values for entry in group.include))
        for key, value in given.items()
    ]
    for key, value, origin in values:
        if key in parameters.workload.judged_alone:
            with suppress(BadValue):  # which was told already
                if fault := parameters.workload.fault_of(key, parameters.typed(key, value.value)):
                    yield origin.problem(fault)


def _with_cpus(targets: Targets, cpus: int | None) -> Targets:
    """Return the targets with as many CPUs as a group asks for; None leaves them their own."""
    if cpus is None:
        return targets
    return replace(
        targets, hardware={name: replace(has, cpus=cpus) for name, has in targets.hardware.items()}
    )


def _targets_written(group: Group) -> list[Value]:
    axis = group.matrix.get("target") or group.zipped.get("target")
    written = list(axis.values) if axis else []
    if "target" in group.fixed:
        written.append(group.fixed["target"])
    return written + [entry.values["target"] for entry in group.include if "target" in entry.values]


def _check_resources(group: Group) -> list[Problem]:
    problems = []
    for key, value in group.resources.items():
        try:
            wrong: list[Any] = check_fields(Resources, {key: plain(value.value)})[1]
        except NotPlain as error:
            wrong = [((key,), str(error))]
        problems += [value.origin.problem(message) for _, message in wrong]
    return problems
