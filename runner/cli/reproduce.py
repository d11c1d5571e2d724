"""Run `runner reproduce SWEEP`: a frozen sweep once more, from its own store, and compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    ClusterOption,
    DataDirOption,
    JsonOption,
    StoreOption,
    complete_sweep,
    data_folder,
)
from runner.cli.plan import BackendOption, OnOption, mapped_targets
from runner.report.tables import plural

if TYPE_CHECKING:
    from runner.report.comparison import Comparison
    from runner.report.measures import Measure
    from runner.run.reproducing import Reproduction


class Seeds(StrEnum):
    """Which seeds the repeats get."""

    same = "same"
    new = "new"


def reproduce(
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP",
            help="Sweep, by its name or the file of its grid.",
            autocompletion=complete_sweep,
        ),
    ],
    into: Annotated[
        Path,
        typer.Option("--into", metavar="FOLDER", help="Store that the trials are to run into."),
    ],
    store: StoreOption = DEFAULT_STORE,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, metavar="N", help="Run at most N trials, from all over the grid."
        ),
    ] = None,
    seeds: Annotated[
        Seeds,
        typer.Option(
            "--seeds",
            help="same: pair the trials by seed. new: give the repeats other seeds, and compare "
            "independent sides.",
        ),
    ] = Seeds.same,
    on: OnOption = None,
    cluster: ClusterOption = None,
    data_dir: DataDirOption = None,
    backend: BackendOption = "auto",
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="COLUMN,...",
            help="Columns to compare. By default the accuracy or first result, and the training "
            "time.",
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="NAME=SIZE,...",
            help="What counts as the same. By default 1 point of accuracy, and 5 % of everything "
            "else.",
        ),
    ] = None,
    include_disturbed: Annotated[
        bool, typer.Option("--include-disturbed", help="Include disturbed measurements.")
    ] = False,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run the code of the store even if another user owns it."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a sweep again from what its submit froze, and compare the results.

    Grid, overrides, code and trials are those of the original; its store is
    all that is needed, also a copy on another machine. It first says what
    differs here, and refuses nothing. The verdict of each cell and metric is
    identical (bit for bit), same (within the margin), different or
    undecided. Exit code 1 if anything is different.

    \b
    Example:
      runner reproduce quickstart --store results --into again
      runner reproduce quickstart --store results --into again --trials 6
      runner reproduce study --store copied --into here --on a30=cpu --seeds new
    """
    from artifacts.store import Store
    from runner.cli.running import has_failed, run
    from runner.planning.plan import Options
    from runner.report.gather import gather
    from runner.report.measures import DEFAULT_MARGINS, measures_of, parse_margins
    from runner.report.reproduction import (
        Reproduced,
        compare_again,
        differences_before,
        reproduced,
    )
    from runner.run.reproducing import reproduction
    from runner.sweep.selection import sweep_of
    from runner.sweep.sweep import Sweep

    margins = DEFAULT_MARGINS if margin is None else {**DEFAULT_MARGINS, **parse_margins(margin)}
    opened, target = Store(store), Store(into)
    original = Sweep(opened, sweep_of(opened, sweep))
    planned = reproduction(
        original,
        target,
        on=mapped_targets(on or []),
        cluster_file=cluster,
        data_dir=data_folder(into, data_dir),
        backend=backend,
        trials=trials,
        new_seeds=seeds is Seeds.new,
        trust=trust,
    )
    before = gather(opened, [original.name], without=["history"])
    measures = measures_of(
        before.table,
        None if metric is None else [name.strip() for name in metric.split(",")],
        margins,
    )
    differing = differences_before(
        before.table,
        planned.submission.about,
        planned.request.about.environment,
        planned.request.data,
    )
    if not as_json:
        _say_before(planned, store, differing)
    output.name_store(str(into))
    done = run(planned.request, target, Options(), quiet=True)
    for reason in done.unstarted:
        output.error(f"a task ended before its trial began: {reason}")
    if done.progress is None and (done.plan.arrays or done.plan.queued):
        output.note("queued: type the same command again when they have ended")
        return
    after = gather(target, [original.name], without=["history"])
    found = compare_again(
        before.table,
        after.table,
        planned.trials,
        measures,
        new_seeds=seeds is Seeds.new,
        include=["disturbed"] if include_disturbed else [],
    )
    if as_json:
        output.json(_plain(found, differing))
    else:
        _show(found, measures)
    verdicts = {reproduced(effect) for effect in found.effects}
    if Reproduced.different in verdicts or has_failed(done):
        raise typer.Exit(1)


def _say_before(planned: Reproduction, store: Path, differing: Sequence[str]) -> None:
    """Print what runs again, and what differs from the original."""
    specs = planned.request.specs
    output.say(
        f"{planned.request.sweep} of {store}: {plural(len(specs), 'trial')} run again on "
        f"{planned.request.backend}"
    )
    if planned.not_completed:
        output.say(
            f"{plural(planned.not_completed, 'trial')} of the original not completed: not run"
        )
    if planned.not_chosen:
        output.say(f"{plural(planned.not_chosen, 'trial')} left out by --trials")
    if planned.submission.about.live:
        output.say("its code was not frozen: it runs as it is now")
    for difference in differing:
        output.paragraph(f"differs: {difference}")
    if not differing:
        output.say("nothing differs from the original before it runs")


def _show(found: Comparison, measures: Sequence[Measure]) -> None:
    from runner.report.comparison_tables import effects_table, notes, title
    from runner.report.reproduction import Reproduced, reproduced

    for measure in measures:
        effects = [effect for effect in found.effects if effect.measure == measure]
        if effects:
            output.heading("\n" + title(measure))
            output.table(effects_table(effects, lambda effect: str(reproduced(effect))))
    output.say()
    if not found.effects:
        output.say("no trial could be compared")
    for note in notes([found]):
        output.paragraph(note)
    counts = Counter(reproduced(effect) for effect in found.effects)
    output.heading(
        "\n" + ", ".join(f"{counts[word]} {word}" for word in Reproduced if counts[word])
        if counts
        else ""
    )


def _plain(found: Comparison, differing: Sequence[str]) -> dict[str, Any]:
    from runner.report.reproduction import reproduced

    plain = found.as_plain()
    for row, effect in zip(plain["effects"], found.effects, strict=True):
        row["verdict"] = str(reproduced(effect))
    return {"differs_before": list(differing), **plain}
