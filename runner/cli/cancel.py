"""Run `runner cancel [SWEEP | TRIAL]...`: end what this store submitted."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, NamesArgument, StoreOption
from runner.report.tables import plural


def cancel(
    names: NamesArgument = None,
    store: StoreOption = DEFAULT_STORE,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="TARGET", help="Cancel only tasks of this target."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel queued and running trials, and only jobs that this store submitted.

    A trial shares its array task with the other trials of its pack. They end
    with it, and the next submit runs them.

    \b
    Example:
      runner cancel quickstart
      runner cancel --target a30
      runner cancel 3f2a
    """
    from artifacts.store import Store
    from runner.run.cancel import cancel as cancel_tasks
    from runner.sweep.selection import select

    opened = Store(store)
    cancelled = []
    for opened_sweep, trials in select(opened, names or ()):
        sweep = opened_sweep.shown_name
        done = cancel_tasks(opened_sweep, trials=trials, target=target)
        cancelled.append({"sweep": sweep, "tasks": done.tasks, "trials": sorted(done.trials)})
        if as_json:
            continue
        if not done.tasks:
            output.say(f"{sweep}: nothing queued or running")
            continue
        output.say(
            f"{sweep}: cancelled {plural(done.tasks, 'task')} with "
            f"{plural(len(done.trials), 'trial')}"
        )
        output.next_step(
            output.typed("runner", "status", sweep),
            "shows the counts; submit runs the cancelled trials again",
        )
    if as_json:
        output.json(cancelled)
