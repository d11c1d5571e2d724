"""Run `runner logs`: print what a trial wrote."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, StoreOption, TrialArgument
from runner.errors import RunnerError
from runner.sweep.logs import is_its_own, section_lines

if TYPE_CHECKING:
    from artifacts.store import Store


class NoLog(RunnerError):
    """There is nothing to print for this attempt."""

    trial: str
    attempt: int
    reason: str

    def __str__(self) -> str:
        return f"attempt {self.attempt} of trial {self.trial} has no log: {self.reason}"


def logs(
    trial: TrialArgument,
    attempt: Annotated[
        int | None,
        typer.Option("--attempt", metavar="N", help="Which attempt. By default the last."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Print what a trial wrote while it ran.

    The output of a failed trial ends with its traceback. If a task ended
    before the trial began, this prints what the task wrote, which says why.

    \b
    Example:
      runner logs 3fa2c1
      runner logs 3fa2c1 --attempt 1
    """
    from artifacts.errors import UnknownTrial
    from artifacts.store import Store
    from runner.sweep.selection import attempts_of

    opened = Store(store)
    try:
        found, attempts = attempts_of(opened, trial)
    except UnknownTrial:
        if attempt is not None or not _print_task(opened, trial):
            raise
        return
    number = max(attempts) if attempt is None else attempt
    if number not in attempts:
        raise NoLog(found, number, f"it has attempts {', '.join(map(str, sorted(attempts)))}")
    log = attempts[number].get("log")
    traceback = (attempts[number].get("traceback") or "").rstrip()
    if log is None:
        if traceback:
            output.say(traceback)
            return
        raise NoLog(
            found,
            number,
            "no record says where its output is (on the inline backend a trial prints to the "
            "terminal); `runner show` prints the rest",
        )
    path = opened.root / log
    written: deque[str] = deque(maxlen=len(traceback.splitlines()) + 1)
    for line in section_lines(path, found, number):
        output.say(line)
        written.append(line)
    if traceback and not "\n".join(written).rstrip().endswith(traceback):
        output.say(traceback)
    elif not written and is_its_own(path, found, number) and path.parent.is_dir():
        output.note(f"attempt {number} of trial {found} printed nothing")
    elif not written:
        raise NoLog(found, number, f"{path} is gone or does not mention it")


def _print_task(store: Store, name: str) -> bool:
    """Print what the last task wrote that should have run this trial and ended before; return
    False if there is none."""
    from artifacts.publish import translate_read_errors
    from runner.sweep.arrays import task_logs
    from runner.sweep.selection import select

    printed = False
    for sweep, trials in select(store, [name]):
        for path in task_logs(sweep.arrays, trials or frozenset()):
            with translate_read_errors(path):
                text = path.read_text(errors="replace").rstrip() if path.exists() else ""
            if text:
                output.say(f"=== {path} ===\n{text}")
                printed = True
    return printed
