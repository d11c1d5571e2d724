"""Run `runner plan GRID`: show what submit would do, from the same code, and change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.api import MAX_TRIALS, plan_report
from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    ClusterOption,
    DataDirOption,
    JsonOption,
    StoreOption,
    check_file,
    data_folder,
)

if TYPE_CHECKING:
    from runner.planning.packing import Plan
    from runner.planning.plan import Options
    from runner.planning.request import Request

_MOST_NAMED = 5

GridArgument = Annotated[
    Path, typer.Argument(metavar="GRID", help="The file of the grid, such as grid.yaml.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="[GROUP.]KEY=VALUE[,VALUE...]",
        help="Replace a parameter of the grid; several values make an axis. May be repeated.",
    ),
]
OnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        metavar="TARGET=OTHER",
        help="Run the trials of one target on another. May be repeated.",
    ),
]
BackendOption = Annotated[
    str, typer.Option("--backend", metavar="NAME", help="auto, slurm, ray or inline.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Run at most N trials now.")
]
PackOption = Annotated[
    int | None,
    typer.Option(
        "--pack",
        min=1,
        metavar="N",
        help="Trials per SLURM array task; by default the runner chooses it.",
    ),
]
MaxTrialsOption = Annotated[
    int,
    typer.Option("--max-trials", min=1, metavar="N", help="Refuse a grid of more trials."),
]
RerunOption = Annotated[
    bool,
    typer.Option(
        "--rerun-changed",
        help="Also run completed trials whose code or data has changed since they were computed.",
    ),
]
NoSnapshotOption = Annotated[
    bool,
    typer.Option(
        "--no-snapshot",
        help="Do not freeze your code: trials run it as it is when they start, and their records "
        "say so.",
    ),
]


def plan(
    grid: GridArgument,
    store: StoreOption = DEFAULT_STORE,
    cluster: ClusterOption = None,
    data_dir: DataDirOption = None,
    sets: SetOption = None,
    on: OnOption = None,
    backend: BackendOption = "auto",
    pack: PackOption = None,
    limit: LimitOption = None,
    max_trials: MaxTrialsOption = MAX_TRIALS,
    rerun_changed: RerunOption = False,
    no_snapshot: NoSnapshotOption = False,
    json: JsonOption = False,
) -> None:
    """Show what submit would do, and change nothing.

    \b
    Example:
      runner plan grid.yaml
      runner plan grid.yaml --set lr=1e-2,1e-3 --set epochs=1 --json
    """
    from runner.planning.plan import Options

    check_file(grid, store)
    data_dir = data_folder(store, data_dir)
    request = read(
        grid,
        sets=sets,
        on=on,
        cluster=cluster,
        data_dir=data_dir,
        backend=backend,
        max_trials=max_trials,
        no_snapshot=no_snapshot,
    )
    options = Options(pack=pack, limit=limit, rerun_changed=rerun_changed)
    show(request, store, options, as_json=json)


def read(
    grid: Path,
    *,
    sets: list[str] | None,
    on: list[str] | None,
    cluster: Path | None,
    data_dir: Path | None,
    backend: str,
    max_trials: int,
    no_snapshot: bool,
) -> Request:
    """Return the request that the shared options describe."""
    from runner.planning.request import read_request

    return read_request(
        grid,
        sets=sets or (),
        on=mapped_targets(on or []),
        cluster_file=cluster,
        data_dir=data_dir,
        backend=backend,
        max_trials=max_trials,
        live=no_snapshot,
    )


def show(request: Request, store: Path, options: Options, *, as_json: bool) -> None:
    """Print what submit would do: totals, a row for each array, and for a scheduler the batch
    script of each kind of array."""
    from artifacts.store import Store
    from runner.planning.plan import preview_request
    from runner.report.tables import Heading, Table
    from runner.sweep.sweep import Sweep

    sweep = Sweep(Store(store), request.sweep, request.profile)
    preview = preview_request(request, sweep, options)
    plan = preview.plan
    if as_json:
        output.json(plan_report(request, preview))
        return
    output.heading(f"{request.sweep}: {_n(len(request.specs), 'trial')}")
    for note in _notes(request, plan):
        output.say(f"  {note}")
    for note in changed_notes(plan, rerun=options.rerun_changed):
        output.paragraph(note, indent=2)
    if not plan.arrays:
        output.say("  nothing to run")
        return
    rows = tuple(
        (
            array.target,
            str(array.trials),
            str(len(array.packs)),
            str(max(map(len, array.packs))),
            str(array.resources.cpus),
            f"{array.resources.gpus:g}"
            + (f" {array.resources.gpu}" if array.resources.gpu else ""),
            "" if array.resources.time_min is None else f"{array.resources.time_min:g} min",
            "" if not array.gpu_hours else f"{array.gpu_hours:.1f}",
        )
        for array in plan.arrays
    )
    right = ("trials", "tasks", "trials/task", "CPUs", "GPUs", "limit", "GPU-hours at most")
    output.table(
        Table(
            (Heading("target", right=False), *(Heading(text, right=True) for text in right)), rows
        )
    )
    if plan.gpu_hours:
        output.say(f"  {plan.gpu_hours:.1f} GPU-hours at most")
    for script in preview.scripts:
        output.say(
            "\nbatch script (submit adds the numbers of the job name and of the .pkl "
            f"file):\n{script.rstrip()}"
        )


def _notes(request: Request, plan: Plan) -> list[str]:
    notes = [f"{_n(plan.trials, 'trial')} to run"]
    if request.about.merged:
        notes.append(
            f"{request.about.merged} duplicates merged: the grid has the same trial more than once"
        )
    if plan.completed:
        notes.append(f"{plan.completed} have a completed record and do not run again")
    if plan.queued:
        notes.append(f"{plan.queued} are already in the scheduler's queue")
    if plan.held_back:
        notes.append(f"{plan.held_back} are left for later by --limit")
    return notes + request.about.notes


def changed_notes(plan: Plan, *, rerun: bool) -> list[str]:
    """Return for each group what to say about its completed trials whose code or data has
    changed."""
    notes = []
    for group in plan.changed:
        for trials, how, names in (
            (group.code, "by other code than would run now", group.files),
            (group.data, "on other data than is there now", group.datasets),
        ):
            if trials:
                named = f" ({_listed(names)})" if names else ""
                notes.append(
                    f"{len(trials)} of {_n(group.completed, 'completed trial')} of group "
                    f"'{group.group}' {'were' if len(trials) > 1 else 'was'} computed {how}"
                    f"{named}: "
                    + ("they run again" if rerun else "--rerun-changed runs them again")
                )
    return notes


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def mapped_targets(pairs: list[str]) -> dict[str, str]:
    mapped = {}
    for pair in pairs:
        name, equals, other = pair.partition("=")
        if not (name and equals and other):
            raise typer.BadParameter(
                f"'{pair}' is not TARGET=OTHER, such as --on a30=cpu", param_hint="--on"
            )
        mapped[name] = other
    return mapped


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
