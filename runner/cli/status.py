"""Run `runner status [SWEEP]`: count what became of the trials of a sweep; change nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, SweepsArgument, sweeps_of
from runner.cli.running import stopped_text
from runner.cli.watch import Lines, draw
from runner.report.tables import plural

if TYPE_CHECKING:
    from artifacts.store import Store
    from runner.sweep.journal import AttemptEnded
    from runner.sweep.status import SweepStatus
    from runner.sweep.tracking import Tracker, View

    Show = Callable[[Sequence[Tracker], Mapping[str, Sequence[AttemptEnded]]], None]
    """Shows sweeps, and by their name the attempts that have just ended."""

_LOOK_S = 1.0
_PAGE_EVERY_S = 5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 30.0, 180.0
"""The pause between two calls to the scheduler, which answers many users."""


def status(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    json: JsonOption = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait until nothing runs; exit with 0 only if everything completed.",
        ),
    ] = False,
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Show until nothing runs how far each group and trial is, what fails and why, and "
            "the time left.",
        ),
    ] = False,
    page: Annotated[
        Path | None,
        typer.Option(
            "--html",
            help="Write the same to a page; with --watch or --wait it is kept up to date.",
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Show how many trials are completed, failed, running and waiting; change nothing.

    \b
    Example:
      runner status
      runner status quickstart --json
      runner status quickstart --watch
      runner status quickstart --watch --html status.html
      runner status --wait && runner collect -o table.parquet
    """
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.sweep.sweep import submitted_sweeps

    opened = Store(store)
    names = sweeps_of(opened, sweeps) or submitted_sweeps(opened) or opened.sweeps()
    if not names:
        raise SweepNotNamed(str(store), ())
    if watch and not json:
        with output.redrawn() as redraw:
            show = partial(_draw, redraw) if output.redraws() else _said_in(Lines())
            views = _follow(opened, names, _also_written(show, page), wait=True)
    else:
        views = _follow(opened, names, _also_written(None, page), wait=wait)
    if page is not None:
        _write(page, views)
    found = [view.status for view in views]
    if json:
        output.json([_plain(view) for view in views])
    else:
        for each in found:
            _print(each)
    if any(each.unreadable for each in found) or (
        wait and not all(each.completed for each in found)
    ):
        raise typer.Exit(1)


def _follow(store: Store, names: Sequence[str], show: Show | None, *, wait: bool) -> list[View]:
    """Return the last view of the sweeps, and show each on the way.

    Args:
        store: That has them.
        names: Of the sweeps.
        show: Called every second; None to show nothing.
        wait: Whether to look until nothing runs.
    """
    from runner.sweep.sweep import Sweep
    from runner.sweep.tracking import Tracker

    pause_s = _FIRST_PAUSE_S
    before: list[SweepStatus] = []
    while True:
        trackers = [Tracker(Sweep(store, name)) for name in names]
        found = [tracker.status for tracker in trackers]
        if not wait or all(each.settled for each in found):
            return [tracker.view() for tracker in trackers]
        # After news the next look comes soon; while nothing happens the scheduler is asked less and
        # less often.
        pause_s = _FIRST_PAUSE_S if found != before else min(2 * pause_s, _LONGEST_PAUSE_S)
        _look_on(trackers, show, pause_s)
        before = found


def _look_on(trackers: Sequence[Tracker], show: Show | None, pause_s: float) -> None:
    """Look at what the workers write, every second, until the scheduler is to be asked again.

    Args:
        trackers: Of the sweeps.
        show: What shows them.
        pause_s: How long to look at most; less after a trial that a scheduler had has ended, and
            where a submit has ended that drove its trials itself.
    """
    began = time.monotonic()
    news = False
    while True:
        ended = {tracker.name: tracker.follow() for tracker in trackers}
        news = news or any(
            ended[tracker.name] for tracker in trackers if not tracker.status.submit_is_running
        )
        if show is not None:
            show(trackers, ended)
        passed = time.monotonic() - began
        if (
            passed >= pause_s
            or (news and passed > _FIRST_PAUSE_S / 3)
            or any(tracker.is_left for tracker in trackers)
        ):
            return
        time.sleep(_LOOK_S)


def _draw(
    redraw: Callable[[Callable[[], None]], None],
    trackers: Sequence[Tracker],
    _ended: Mapping[str, Sequence[AttemptEnded]],
) -> None:
    redraw(partial(draw, [tracker.view() for tracker in trackers]))


def _said_in(lines: Lines) -> Show:
    """What shows sweeps in a log file."""

    def show(trackers: Sequence[Tracker], ended: Mapping[str, Sequence[AttemptEnded]]) -> None:
        for sweep, attempts in ended.items():
            lines.failed(sweep, attempts)
        lines.show(trackers)

    return show


def _also_written(show: Show | None, page: Path | None) -> Show | None:
    """The same, which keeps the page up to date too."""
    if page is None:
        return show
    due = 0.0

    def both(trackers: Sequence[Tracker], ended: Mapping[str, Sequence[AttemptEnded]]) -> None:
        nonlocal due
        if show is not None:
            show(trackers, ended)
        if time.monotonic() >= due:
            _write(page, [tracker.view() for tracker in trackers], again_s=_PAGE_EVERY_S)
            due = time.monotonic() + _PAGE_EVERY_S

    return both


def _write(page: Path, views: Sequence[View], *, again_s: int | None = None) -> None:
    """Write the page of the views; one that is written again loads itself again."""
    from artifacts.publish import replace
    from runner.report.status_page import status_page

    text = status_page(views, output.cell, again_s=again_s)
    replace(page.absolute(), memoryview(text.encode(errors="backslashreplace")))


def _print(status: SweepStatus) -> None:
    from runner.report.watching import headline, parts

    output.heading(headline(status))
    output.table(parts(status))
    if status.diverged:
        output.say(
            f"{status.diverged} of the completed trials diverged: a loss or an accuracy is NaN or "
            "infinite"
        )
    if status.earlier:
        output.say(f"{status.earlier} recorded trials belong to earlier grids of this name")
    for stopped in status.stopped:
        output.warn(stopped_text(stopped))
    for reason, trials in _by_reason(status.not_started).items():
        output.warn(
            f"{plural(len(trials), 'task')} ended before a trial began ({reason}): 'runner logs "
            f"{trials[0]}' prints what it wrote"
        )
    if status.scheduler_error:
        output.warn(
            f"the scheduler does not answer, so what it holds is not known: "
            f"{status.scheduler_error}"
        )
    for path in status.unreadable:
        output.warn(f"unreadable record {path}")
    if status.completed:
        output.next_step(
            output.typed("runner", "collect", status.sweep), "gathers the records into one table"
        )
    elif status.settled:
        retry = output.typed("runner", "retry", status.sweep)
        if status.grid:
            output.next_step(
                output.typed("runner", "submit", status.grid),
                f"runs what has no completed record ('{retry}': only what failed)",
            )
        else:
            output.next_step(
                retry,
                "runs again what failed; submitting the grid's file runs every trial without a "
                "completed record",
            )


def _plain(view: View) -> dict[str, Any]:
    from msgspec import to_builtins

    status = view.status
    return {
        "sweep": status.sweep,
        "submission": status.submission,
        "trials": status.trials,
        "submit_is_running": status.submit_is_running,
        "counts": dict(status.counts),
        "by_target": {target: dict(counts) for target, counts in status.by_target.items()},
        "diverged": status.diverged,
        "of_earlier_submissions": status.earlier,
        "unreadable": list(status.unreadable),
        "stopped_groups": list(status.stopped),
        "not_started": status.not_started,
        "scheduler_error": status.scheduler_error,
        "by_group": [
            {"group": group, "target": target, "counts": dict(counts)}
            for (group, target), counts in status.by_cell.items()
        ],
        "running": to_builtins(view.running),
        "failures": to_builtins(view.causes),
        "rate_per_s": view.rate_per_s,
        "left_s": None if view.left is None else [view.left.low_s, view.left.high_s],
        "best_accuracy": view.best_accuracy,
    }


def _by_reason(not_started: Mapping[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for trial, reason in not_started.items():
        reasons.setdefault(reason, []).append(trial)
    return reasons
