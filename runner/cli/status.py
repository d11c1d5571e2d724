"""Run `runner status [SWEEP]`: count what became of the trials of a sweep; change nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, SweepsArgument, sweeps_of
from runner.cli.running import duration, rate_text, stopped_text
from runner.report.tables import plural

if TYPE_CHECKING:
    from artifacts.store import Store
    from runner.sweep.pace import Pace
    from runner.sweep.status import SweepStatus

    Redraw = Callable[[Callable[[], None]], None]

_LOOK_S = 1.0
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
            help="Show the counts, the rate and the time left until nothing runs.",
        ),
    ] = False,
) -> None:
    """Show how many trials are completed, failed, running and waiting; change nothing.

    \b
    Example:
      runner status
      runner status quickstart --json
      runner status quickstart --watch
      runner status --wait && runner collect -o table.parquet
    """
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.sweep.pace import Pace
    from runner.sweep.sweep import submitted_sweeps

    opened = Store(store)
    names = sweeps_of(opened, sweeps) or submitted_sweeps(opened)
    if not names:
        raise SweepNotNamed(str(store), ())
    watched = watch and not json
    paces = [Pace(opened, name) for name in names] if watched else []
    with output.redrawn() if watched else nullcontext() as redraw:
        found = _follow(opened, names, paces, redraw, wait=wait or watch)
    _print(found, json=json, last=True)
    if any(each.unreadable for each in found) or (
        wait and not all(each.completed for each in found)
    ):
        raise typer.Exit(1)


def _follow(
    store: Store, names: Sequence[str], paces: Sequence[Pace], redraw: Redraw | None, *, wait: bool
) -> list[SweepStatus]:
    """Return the last status of the sweeps; show each on the way if there is something to redraw.

    Args:
        paces: One for each sweep that is watched.
        wait: Whether to look until nothing runs.
    """
    from runner.sweep.status import QUEUED, RUNNING, sweep_status
    from runner.sweep.sweep import Sweep

    pause_s = _FIRST_PAUSE_S
    shown: list[SweepStatus] = []
    while True:
        found = [sweep_status(Sweep(store, name)) for name in names]
        if not wait or all(each.settled for each in found):
            return found
        # After news the next look comes soon; while nothing happens the scheduler is asked less and
        # less often.
        pause_s = _FIRST_PAUSE_S if found != shown else min(2 * pause_s, _LONGEST_PAUSE_S)
        asked = any(
            each.counts[QUEUED] or each.counts[RUNNING]
            for each in found
            if not each.submit_is_running
        )
        if redraw is None:
            _sleep_unless_recorded(store, names, pause_s)
        else:
            _watch(found, paces, redraw, pause_s if asked else _LOOK_S, changed=found != shown)
        shown = found


def _watch(
    found: Sequence[SweepStatus],
    paces: Sequence[Pace],
    redraw: Redraw,
    pause_s: float,
    *,
    changed: bool,
) -> None:
    """Show the status of the sweeps, every second while only the rate and the time left change,
    until a trial ends.

    Args:
        pause_s: How long to look at most before the scheduler is asked again.
        changed: Whether the status is new; without redrawing, only news is printed.
    """
    began = time.monotonic()
    news = False
    while True:
        for pace in paces:
            news = pace.follow() or news
        if changed or output.redraws():
            redraw(partial(_show_paced, found, paces))
            changed = False
        passed = time.monotonic() - began
        if passed >= pause_s or (news and passed > min(pause_s, _FIRST_PAUSE_S / 3)):
            return
        time.sleep(_LOOK_S)


def _show_paced(found: Sequence[SweepStatus], paces: Sequence[Pace]) -> None:
    for each, pace in zip(found, paces, strict=True):
        _show(each, last=False, pace=pace)


def _sleep_unless_recorded(store: Store, names: Sequence[str], pause_s: float) -> None:
    """Sleep, but look at the workers' journals every second, which costs the scheduler nothing, and
    return early when a trial ends."""
    from runner.sweep.journal import AttemptEnded, Follower

    followers = [Follower(store.sweep_folder(name), from_now=True) for name in names]
    began = time.monotonic()
    news = False
    while time.monotonic() < began + pause_s:
        time.sleep(_LOOK_S)
        news = news or any(
            isinstance(entry, AttemptEnded)
            for follower in followers
            for entry in follower.new_entries()
        )
        if news and time.monotonic() > began + _FIRST_PAUSE_S / 3:
            return


def _print(found: Sequence[SweepStatus], *, json: bool, last: bool) -> None:
    if json:
        if last:
            output.json([_plain(each) for each in found])
        return
    for each in found:
        _show(each, last=last)


def _show(status: SweepStatus, *, last: bool, pace: Pace | None = None) -> None:
    from runner.report.tables import Heading, Table

    running = ", a submit is running it" if status.submit_is_running else ""
    output.heading(
        f"{status.sweep}: {status.counts['completed']} of {status.trials} trials completed "
        f"(submission {status.submission}{running})"
    )
    words = sorted(status.counts, key=lambda word: (word != "completed", word))
    headings = (
        Heading("target"),
        Heading("trials", right=True),
        *(Heading(word, right=True) for word in words),
    )
    rows = tuple(
        (target, str(sum(counts.values())), *(str(counts[word] or "") for word in words))
        for target, counts in status.by_target.items()
    )
    output.table(Table(headings, rows))
    if pace is not None:
        output.say(_pace_text(pace, status))
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
    if not last:
        return
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


def _pace_text(pace: Pace, status: SweepStatus) -> str:
    from runner.sweep.status import QUEUED, RUNNING, WAITING

    coming = (
        status.counts[RUNNING]
        + status.counts[QUEUED]
        + (status.counts[WAITING] if status.submit_is_running else 0)
    )
    rate, left_s = pace.rate(), pace.left_s(coming)
    if rate is None:
        return "no trial has ended yet, so there is no rate"
    return rate_text(rate) + ("" if left_s is None else f", {duration(left_s)} left")


def _plain(status: SweepStatus) -> dict[str, Any]:
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
    }


def _by_reason(not_started: Mapping[str, str]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for trial, reason in not_started.items():
        reasons.setdefault(reason, []).append(trial)
    return reasons
