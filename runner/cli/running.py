"""Runs a request from the command line: shows how far it is, and says how it ended."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.cli import output
from runner.cli.plan import changed_notes
from runner.report.tables import plural
from runner.run.interruption import all_like_ctrl_c
from runner.run.progress import Feeding, Progress, Stopping

if TYPE_CHECKING:
    from artifacts.store import Store
    from runner.planning.plan import Options
    from runner.planning.request import Request
    from runner.run.progress import Watch
    from runner.run.submit import Submitted
    from runner.sweep.early_stop import Stopped
    from runner.sweep.submission import Typed

_LINE_EVERY_S = 10.0


def run(request: Request, store: Store, options: Options, *, quiet: bool) -> Submitted:
    """Submit a request and, unless quiet, print how it ended."""
    from runner.run.submit import submit as submit_request

    request = replace(request, typed=_typed())
    with all_like_ctrl_c(), progress_display(request.sweep) as watch:
        done = submit_request(request, store, options, watch)
    if not quiet:
        _say(request, done, rerun=options.rerun_changed)
    return done


def _typed() -> Typed:
    """The command line of this process; what no text can hold is spelled."""
    from artifacts.values import clean
    from runner.sweep.submission import Typed

    words = ["runner", *sys.argv[1:]]
    return Typed(words=[clean(word) for word in words], folder=clean(str(Path.cwd())))


def has_failed(done: Submitted) -> bool:
    """Return whether something that ran here did not complete."""
    return bool((done.progress is not None and done.progress.failed) or done.unstarted)


def _say(request: Request, done: Submitted, *, rerun: bool) -> None:
    plan, progress = done.plan, done.progress
    for note in request.about.notes:
        output.note(f"note: {note}")
    for note in changed_notes(plan, rerun=rerun):
        output.note(f"note: {note}")
    if not plan.arrays and not plan.queued:
        output.say(
            f"{request.sweep}: nothing to run, {plan.completed} of {len(request.specs)} trials "
            "have a completed record"
        )
        output.next_step(
            output.typed("runner", "collect", request.sweep), "gathers the records into one table"
        )
        return
    if progress is None or not plan.arrays:
        tasks = sum(len(array.packs) for array in plan.arrays)
        new = (
            f"{plural(plan.trials, 'trial')} queued in {plural(tasks, 'task')} of "
            f"{plural(len(plan.arrays), 'array')}"
        )
        known = f"{plural(plan.queued, 'trial')} already in the scheduler's queue"
        output.say(
            f"{request.sweep}: {', '.join([new] * bool(plan.arrays) + [known] * bool(plan.queued))}"
        )
        output.next_step(output.typed("runner", "status", request.sweep), "shows how they stand")
        return
    before = f" ({plan.completed} were completed before)" if plan.completed else ""
    later = f", {plan.held_back} left for later by --limit" if plan.held_back else ""
    output.say(
        f"{request.sweep}: {progress.words} in "
        f"{duration(time.monotonic() - progress.began)}{before}{later}"
    )
    for reason in done.unstarted:
        output.error(f"a task ended before its trial began: {reason}")
    for stopped in done.stopped:
        output.error(stopped_text(stopped))
    if progress.failed or done.unstarted:
        output.next_step(output.typed("runner", "show", "--failed", request.sweep), "says why")
        return
    output.next_step(
        output.typed("runner", "collect", request.sweep), "gathers the records into one table"
    )


def stopped_text(stopped: Stopped) -> str:
    """Return what to say about a group whose remaining trials were left out."""
    failed = f"its first {len(stopped.trials)} trials failed in the same way ({stopped.error})"
    if stopped.lifted:
        return (
            f"group '{stopped.group}' was stopped when {failed}; since then one has completed: "
            "submit again to run those that were left out"
        )
    return (
        f"group '{stopped.group}' was stopped: {failed} and none completed, so trials that look "
        "the same were left out; fix the cause and submit again, which runs them before the failed "
        "ones, or submit with --keep-going to run them all"
    )


@contextmanager
def progress_display(sweep: str) -> Iterator[Watch]:
    """Show a live line on a terminal, and elsewhere a plain line from time to time."""
    if not (sys.stderr.isatty() and output.is_rich()):
        yield _PlainLines(sweep)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Live
    from rich.table import Column

    # On a narrow terminal the words give way first; bar, count and time left stay.
    part = max(5, min(20, (shutil.get_terminal_size().columns - 30) // 3))
    columns: tuple[Any, ...] = (
        SpinnerColumn(table_column=Column(no_wrap=True, width=1)),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", max_width=part),
        ),
        BarColumn(bar_width=part, table_column=Column(no_wrap=True, width=part)),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[left]}", markup=False, table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[words]}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
        ),
    )
    with Live(*columns, console=Console(stderr=True), transient=True, expand=True) as live:
        task = live.add_task(output.cell(sweep), total=None, words="starting workers", left="")

        stopping = ""

        def show(progress: Progress | Feeding | Stopping) -> None:
            nonlocal stopping
            if isinstance(progress, Stopping):
                stopping = _stopping_words(progress)
                live.update(task, words=stopping)
                return
            if isinstance(progress, Feeding):
                words = (
                    f"{progress.left} tasks wait for room under the submit limit; Ctrl-C "
                    "leaves them to the next submit"
                )
                live.update(
                    task,
                    total=progress.queued + progress.left,
                    completed=progress.queued,
                    words=words,
                )
                return
            live.update(
                task,
                total=progress.total,
                completed=progress.done,
                words=stopping or _words(progress),
                left=_left(progress),
            )

        yield show


class _PlainLines:
    """Prints a line every ten seconds and one at the end, to be read in a log file."""

    def __init__(self, sweep: str) -> None:
        self._sweep = sweep
        self._next = time.monotonic() + _LINE_EVERY_S
        self._said_all = False

    def __call__(self, progress: Progress | Feeding | Stopping) -> None:
        if isinstance(progress, Stopping):
            with suppress(
                OSError
            ):  # not through sys.stderr: the signal may have come in the middle of a line of it
                os.write(2, f"{self._sweep}: {_stopping_words(progress)}\n".encode())
            return
        if isinstance(progress, Feeding):
            if progress.left:
                output.note(
                    f"{self._sweep}: {progress.queued} tasks queued, {progress.left} wait for room "
                    "under the submit limit"
                )
            return
        finished = progress.done >= progress.total
        if (finished and not self._said_all) or time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY_S
            self._said_all = finished
            words = ", ".join(filter(None, (_words(progress), "" if finished else _left(progress))))
            output.note(f"{self._sweep}: {progress.done}/{progress.total} done, {words}")


def _stopping_words(stopping: Stopping) -> str:
    return (
        f"stopping: running trials have {stopping.grace_s:g} s to write a checkpoint; a second "
        "Ctrl-C ends them at once"
    )


def _left(progress: Progress) -> str:
    return "" if progress.left_s is None else f"{duration(progress.left_s)} left"


def _words(progress: Progress) -> str:
    words = [f"{progress.running} running"]
    failed = sum(progress.failed.values())
    if failed:
        words.append(f"{failed} failed")
    if progress.rate is not None:
        words.append(rate_text(progress.rate))
    if progress.best_accuracy is not None:
        words.append(f"best {progress.best_accuracy:.2%}")
    return ", ".join(words)


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
