"""Run `runner compare`: how much two sides differ, how sure that is, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, sweeps_of

if TYPE_CHECKING:
    from runner.report.comparison import Comparison
    from runner.report.gather import Gathered
    from runner.report.measures import Measure

WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[AXIS] [SWEEP]...",
        help="Column to compare, such as target, amp or model, and the sweeps to look in. By "
        "default all sweeps. Only sweeps with --a and --b, --baseline, --best or --pareto.",
    ),
]


def compare(
    words: WordsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    a: Annotated[
        str | None,
        typer.Option("--a", metavar="CONDITION", help="Judge the trials of this condition."),
    ] = None,
    b: Annotated[
        str | None,
        typer.Option("--b", metavar="CONDITION", help="Compare them with the trials of this one."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="VALUE",
            help="Value of the axis that the others are compared with. By default the grid's "
            "first.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="STORE",
            help="Judge the store against an earlier one. Exit code 1 if anything is worse.",
        ),
    ] = None,
    best: Annotated[
        bool,
        typer.Option(
            "--best",
            help="Choose the best configuration of each group by its validation accuracy, or "
            "--metric.",
        ),
    ] = False,
    pareto: Annotated[
        str | None,
        typer.Option(
            "--pareto",
            metavar="COST",
            help="Show the configurations that no other beats in accuracy and cost: time, energy, "
            "memory, or a column.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN,...",
            help="Groups of --best and --pareto. By default those of the grid, and the datasets.",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="COLUMN[:more|:less],...",
            help="Columns to compare, and which direction is better where the name does not say. "
            "By default the accuracy or first result, and the training time.",
        ),
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            "--margin",
            metavar="NAME=SIZE,...",
            help="What does not matter, by column or kind (accuracy, loss, time, rate, memory, "
            "energy): smaller effects are called equivalent.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where", metavar="CONDITION", help='Only these trials, as in "dataset=mnist".'
        ),
    ] = None,
    pooled: Annotated[
        bool,
        typer.Option("--pooled", help="Judge all cells together only, which is fewer tests."),
    ] = False,
    earlier: Annotated[
        bool, typer.Option("--all", help="Include trials that the sweep's grid no longer has.")
    ] = False,
    include_disturbed: Annotated[
        bool, typer.Option("--include-disturbed", help="Include disturbed measurements.")
    ] = False,
    include_device: Annotated[
        bool, typer.Option("--include-device", help="Include trials on another device.")
    ] = False,
    include_driver: Annotated[
        bool, typer.Option("--include-driver", help="Include trials with another driver.")
    ] = False,
    include_code: Annotated[
        bool, typer.Option("--include-code", help="Include trials by other code.")
    ] = False,
    include_data: Annotated[
        bool, typer.Option("--include-data", help="Include trials on other data.")
    ] = False,
    include_versions: Annotated[
        bool, typer.Option("--include-versions", help="Include other library versions.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which of two sides is better, by how much, and how sure that is.

    Trials that agree in everything else are paired by seed. Each effect has
    a 95 % interval and a verdict: better, worse, equivalent or undecided.
    Times and rates are compared by ratios, accuracies and losses by
    differences. docs/comparing.md explains the methods.

    \b
    Example:
      runner compare target
      runner compare amp quickstart --margin accuracy=0.5%,time=3%
      runner compare --a model=resnet50,amp=off --b model=resnet18
      runner compare --baseline last-month/results
      runner compare --best --by model
      runner compare --pareto time
    """
    from runner.report.measures import measures_of, parse_margins

    chooses = best or pareto is not None
    axis, names = _sort_words(words, a, b, baseline, chooses=chooses)
    include = [
        name
        for name, wanted in {
            "disturbed": include_disturbed,
            "device": include_device,
            "driver": include_driver,
            "code": include_code,
            "data": include_data,
            "versions": include_versions,
        }.items()
        if wanted
    ]
    gathered = _gathered(store, names, where, earlier=earlier)
    table = gathered.table
    margins = None if margin is None else parse_margins(margin)
    chosen = None if metric is None else [name.strip() for name in metric.split(",")]
    if chooses:
        _choose(gathered, best, pareto, chosen, by, include, as_json=as_json)
        return
    if baseline is not None:
        _judge_against(gathered, baseline, names, where, chosen, margins, include, pooled=pooled,
                       earlier=earlier, as_json=as_json)  # fmt: skip
        return
    measures = measures_of(table, chosen, margins)
    from runner.report.comparison import compare_axis, compare_sides

    if axis is None:
        found = compare_sides(table, a or "", b or "", measures, include=include, pooled=pooled)
    else:
        found = compare_axis(
            table, axis, measures, reference=reference, usual=_first_of_grid(store, names, axis),
            include=include, pooled=pooled,
        )  # fmt: skip
    _show(found, measures, as_json=as_json)


def _sort_words(
    words: Sequence[str] | None,
    a: str | None,
    b: str | None,
    baseline: Path | None,
    *,
    chooses: bool,
) -> tuple[str | None, list[str]]:
    """Return the axis, if one is to be compared, and the names of the sweeps."""
    words = list(words or ())
    if (a is None) != (b is None):
        raise typer.BadParameter("--a and --b belong together: give both")
    ways = [a is not None, baseline is not None, chooses]
    if sum(ways) > 1:
        raise typer.BadParameter("give one of --a with --b, --baseline, --best and --pareto")
    if any(ways):
        return None, words
    if not words:
        raise typer.BadParameter(
            "name what to compare: an axis such as target or model, or --a and --b, or "
            "--baseline, --best or --pareto"
        )
    return words[0], words[1:]


def _gathered(store: Path, names: Sequence[str], where: str | None, *, earlier: bool) -> Gathered:
    """Return the records, after saying what is not among them."""
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.report.gather import expected_trials, gather, open_sweeps, settle_before
    from runner.report.origins import latest_of

    opened = Store(store)
    sweeps = sweeps_of(opened, names)
    if not sweeps and not opened.sweeps():
        raise SweepNotNamed(str(store), ())
    chosen = open_sweeps(opened, sweeps)
    for trouble in settle_before(chosen):
        output.warn(trouble)
    gathered = gather(
        opened,
        sweeps,
        expected=None if earlier else expected_trials(chosen),
        latest=latest_of(chosen),
        without=["history"],
    )
    if where is not None:
        gathered = gathered.where(where)
    for note in (*gathered.notes, *gathered.unreadable):
        output.note(note)
    return gathered


def _choose(
    gathered: Gathered,
    best: bool,
    pareto: str | None,
    metrics: Sequence[str] | None,
    by: str | None,
    include: Sequence[str],
    *,
    as_json: bool,
) -> None:
    from runner.cli.choosing import print_best, print_front

    if best and pareto is not None:
        raise typer.BadParameter("--best and --pareto are two answers: give one")
    groups = None if by is None else [name.strip() for name in by.split(",") if name.strip()]
    if best:
        print_best(gathered, metrics, groups, include, as_json=as_json)
    else:
        print_front(gathered, pareto or "", metrics, groups, include, as_json=as_json)


def _first_of_grid(store: Path, names: Sequence[str], axis: str) -> Any:
    """Return the value that the first trial of the grid has; None if the grid does not give it."""
    from artifacts.store import Store
    from runner.report.gather import open_sweeps

    opened = Store(store)
    for sweep in open_sweeps(opened, sweeps_of(opened, names)):
        if not sweep.submitted:
            continue
        for spec in sweep.latest.specs:
            found = {"target": spec.target, "workload": spec.workload, **spec.params}.get(axis)
            if found is not None:
                return found
    return None


def _judge_against(
    now: Gathered,
    baseline: Path,
    names: Sequence[str],
    where: str | None,
    metrics: Sequence[str] | None,
    margins: dict[str, float] | None,
    include: Sequence[str],
    *,
    pooled: bool,
    earlier: bool,
    as_json: bool,
) -> None:
    from runner.report.comparison import Overall, compare_tables, overall
    from runner.report.measures import DEFAULT_MARGINS, measures_of

    measures = measures_of(now.table, metrics, DEFAULT_MARGINS if margins is None else margins)
    before = _gathered(baseline, names, where, earlier=earlier)
    found = compare_tables(now.table, before.table, measures, include=include, pooled=pooled)
    verdict = overall(found)
    _show(found, measures, as_json=as_json, verdict=verdict)
    if verdict is Overall.found:
        raise typer.Exit(1)


def _show(
    found: Comparison, measures: Sequence[Measure], *, as_json: bool, verdict: str | None = None
) -> None:
    from runner.report.comparison_tables import effects_table, headline, notes, title

    if as_json:
        output.json(found.as_plain() | ({} if verdict is None else {"overall": str(verdict)}))
        return
    if found.effects:
        output.heading(headline(found) + "\n")
    for measure in measures:
        effects = [effect for effect in found.effects if effect.measure == measure]
        if effects:
            output.heading(title(measure))
            output.table(effects_table(effects))
            output.say()
    if not found.effects:
        output.say("no trial has a partner on the other side")
    for note in notes([found]):
        output.paragraph(note)
    if verdict is not None:
        output.heading(f"\n{found.what}: {verdict}")
