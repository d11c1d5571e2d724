"""Put a sweep that runs into words and tables: for a terminal, a page and a log file alike."""

from __future__ import annotations

import math
from collections.abc import Iterable

from runner.report.tables import BLANK, Heading, Table, text
from runner.sweep.pace import TimeLeft
from runner.sweep.status import QUEUED, RUNNING, WAITING, SweepStatus
from runner.sweep.tracking import Cause, RunningTrial, View

ID_SHOWN = 8
"""Digits of a trial's id that stand for it where there is little room; commands take them too."""


def headline(status: SweepStatus) -> str:
    """Return how many trials of the sweep are completed."""
    running = ", a submit is running it" if status.submit_is_running else ""
    return (
        f"{status.sweep}: {status.counts['completed']} of {status.trials} trials completed "
        f"(submission {status.submission}{running})"
    )


def pace_text(view: View) -> str:
    """Return rate, time left and best accuracy, as far as they are known."""
    if view.rate_per_s is None and view.left is None:
        words = ["no trial has ended yet, so there is no rate"]
    else:
        words = [] if view.rate_per_s is None else [rate_text(view.rate_per_s)]
        if view.left is not None and not view.status.settled:
            words.append(left_text(view.left))
    if view.best_accuracy is not None:
        words.append(f"best {view.best_accuracy:.2%}")
    return ", ".join(words)


def line(view: View) -> str:
    """Return all of it in one line, for a log file."""
    counts = view.status.counts
    failed = failures(view)
    parts = [
        f"{counts['completed']} of {view.status.trials} trials completed",
        f"{counts[RUNNING]} running" if counts[RUNNING] else BLANK,
        f"{counts[QUEUED]} queued" if counts[QUEUED] else BLANK,
        f"{failed} not completed" if failed else BLANK,
        pace_text(view),
    ]
    return f"{view.status.sweep}: {', '.join(filter(None, parts))}"


def failures(view: View) -> int:
    """Return how many trials have ended without being completed."""
    return view.done - view.status.counts["completed"]


def parts(status: SweepStatus) -> Table:
    """Return one row per group and target: how many trials stand where."""
    words = sorted(status.counts, key=_order)
    grouped = len({group for group, _ in status.by_cell}) > 1
    headings = (
        *((Heading("group"),) if grouped else ()),
        Heading("target"),
        Heading("trials", right=True),
        *(Heading(word, right=True) for word in words),
    )
    rows = tuple(
        (
            *((group,) if grouped else ()),
            target,
            str(sum(counts.values())),
            *(str(counts[word] or BLANK) for word in words),
        )
        for (group, target), counts in status.by_cell.items()
    )
    return Table(headings, rows, keys=1 + grouped)


def running_table(running: Iterable[RunningTrial], *, short: bool) -> Table:
    """Return one row per trial that runs.

    Args:
        running: Those to show.
        short: Whether there is little room.
    """
    headings = (
        Heading("running" if short else "trial"),
        Heading("for", right=True),
        Heading("epoch", right=True),
        Heading("loss", right=True),
        Heading("accuracy", right=True),
        Heading("samples/s", right=True),
        Heading("settings" if short else "target"),
        *(() if short else (Heading("node"), Heading("settings"))),
    )
    return Table(headings, tuple(_running_row(one, short=short) for one in running))


def causes_table(causes: Iterable[Cause], *, short: bool) -> Table:
    """Return one row per way in which trials failed, the most frequent first."""
    headings = (Heading("n", right=True), Heading("outcome"), Heading("trial"), Heading("message"))
    return Table(
        headings,
        tuple(
            (str(one.count), one.outcome, one.trial[: ID_SHOWN if short else None], one.error)
            for one in causes
        ),
    )


def left_text(left: TimeLeft) -> str:
    """Return the time left as a person says it: 3 to 5 min left."""
    unit, name = next(
        (seconds, name)
        for seconds, name, most in (
            (1, "s", 90),
            (60, "min", 90),
            (3600, "h", 72),
            (86400, "d", 1e9),
        )
        if left.high_s < seconds * most
    )
    high = math.ceil(left.high_s / unit)
    low = math.floor(left.low_s / unit)
    if high - low <= 1 and name == "s":
        return f"about {max(high, 1)} s left"
    if low == 0:
        return f"less than {high} {name} left"
    return f"about {high} {name} left" if low == high else f"{low} to {high} {name} left"


def rate_text(per_s: float) -> str:
    """Return a rate of trials as a person says it: 3.1/s, 12.0/min, 0.5/h."""
    return (
        f"{per_s:.1f}/s"
        if per_s >= 1
        else f"{per_s * 60:.1f}/min"
        if per_s * 60 >= 1
        else f"{per_s * 3600:.1f}/h"
    )


def duration(seconds: float) -> str:
    """Return seconds as a person says them: 42 s, 3 min 5 s, 2 h 10 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def clock(seconds: float) -> str:
    """Return seconds as a watch shows them: 0:42, 3:05, 2:10:00."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _running_row(one: RunningTrial, *, short: bool) -> tuple[str, ...]:
    at = one.position
    settings = " ".join(
        f"{name}={text(value)}" for name, value in one.settings.items() if short or name != "target"
    )
    figures = (
        (BLANK,) * 4
        if at is None
        else (
            _epoch(at.epoch, one.epochs) or (at.phase or BLANK),
            BLANK if at.loss is None else _loss(at.loss),
            BLANK if at.accuracy is None else f"{at.accuracy:.2%}",
            BLANK if at.samples_per_s is None else f"{at.samples_per_s:,.0f}",
        )
    )
    place = (settings,) if short else (one.target, one.node, settings)
    return one.trial[: ID_SHOWN if short else None], clock(one.for_s), *figures, *place


def _loss(loss: float) -> str:
    return f"{loss:.4f}" if 1e-3 <= abs(loss) < 1e3 or loss == 0 else f"{loss:.1e}"


def _epoch(epoch: float | None, epochs: float | None) -> str:
    if epoch is None:
        return BLANK
    shown = f"{epoch:.1f}" if epoch != int(epoch) and epoch < 1000 else f"{epoch:.0f}"
    return f"{shown}/{text(epochs)}" if epochs else shown


def _order(word: str) -> tuple[int, str]:
    """Completed first, then what runs and what is to come, then what failed."""
    first = ("completed", RUNNING, QUEUED, WAITING)
    return (first.index(word) if word in first else len(first)), word
