"""Runs a request from the command line: shows how far it is, and says how it ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli import output
from runner.cli.plan import changed_notes
from runner.cli.watch import draw
from runner.report.tables import plural
from runner.run.interruption import all_like_ctrl_c
from runner.run.progress import Feeding, Progress, Stopping

if TYPE_CHECKING:
    from artifacts.store import Store
    from runner.cli.watch import Redraw
    from runner.planning.plan import Options
    from runner.planning.request import Request
    from runner.run.progress import Watch
    from runner.run.submit import Submitted
    from runner.sweep.early_stop import Stopped
    from runner.sweep.submission import Typed
    from runner.sweep.tracking import Tracker

_LINE_EVERY_S = 10.0
_DRAW_EVERY_S = 1.0


def run(request: Request, store: Store, options: Options, *, quiet: bool) -> Submitted:
    """Submit a request and, unless quiet, print how it ended."""
    from runner.run.submit import submit as submit_request

    request = replace(request, typed=_typed())
    with all_like_ctrl_c(), progress_display(store, request.sweep) as watch:
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
    from runner.report.watching import duration

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
def progress_display(store: Store, sweep: str) -> Iterator[Watch]:
    """Show a live view on a terminal, and elsewhere a plain line from time to time."""
    if not (sys.stderr.isatty() and output.redraws()):
        yield _PlainLines(sweep)
        return
    with output.redrawn(beside=True) as redraw:
        yield _LiveView(store, sweep, redraw)


class _LiveView:
    """Draws what ``runner status --watch`` shows, in the process that drives the trials."""

    def __init__(self, store: Store, sweep: str, redraw: Redraw) -> None:
        self._store, self._sweep, self._redraw = store, sweep, redraw
        self._tracker: Tracker | None = None
        self._next = 0.0
        self._stopping = ""
        self._say("starting workers")

    def __call__(self, progress: Progress | Feeding | Stopping) -> None:
        if isinstance(progress, Stopping):  # in the handler of a signal: the next look draws it
            self._stopping = _stopping_words(progress)
            return
        if isinstance(progress, Feeding):
            if progress.left:
                self._say(
                    f"{progress.queued} tasks queued, {progress.left} wait for room under the "
                    "submit limit; Ctrl-C leaves them to the next submit"
                )
            return
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _DRAW_EVERY_S
        if self._tracker is None:
            from runner.sweep.sweep import Sweep
            from runner.sweep.tracking import Tracker

            self._tracker = Tracker(Sweep(self._store, self._sweep))
        self._tracker.follow()
        view = self._tracker.view(coming=progress.total - progress.done - progress.running)
        self._redraw(partial(draw, [view], self._stopping))

    def _say(self, words: str) -> None:
        self._redraw(partial(output.say, f"{self._sweep}: {words}"))


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
    from runner.report.watching import duration

    return "" if progress.left_s is None else f"{duration(progress.left_s)} left"


def _words(progress: Progress) -> str:
    from runner.report.watching import rate_text

    words = [f"{progress.running} running"]
    failed = sum(progress.failed.values())
    if failed:
        words.append(f"{failed} failed")
    if progress.rate is not None:
        words.append(rate_text(progress.rate))
    if progress.best_accuracy is not None:
        words.append(f"best {progress.best_accuracy:.2%}")
    return ", ".join(words)
