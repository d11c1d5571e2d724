"""Run `runner retry [SWEEP | TRIAL]...`: another attempt for what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runner.api import submit_report
from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, NamesArgument, StoreOption
from runner.report.tables import plural

if TYPE_CHECKING:
    from runner.run.retry import Retry


def retry(
    names: NamesArgument = None,
    store: StoreOption = DEFAULT_STORE,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also run trials that raised an exception or used up the GPU's memory. If there "
            "are none, or if trials are named, also run completed ones.",
        ),
    ] = False,
    disturbed: Annotated[
        bool,
        typer.Option(
            "--disturbed", help="Run completed trials whose measurement was disturbed instead."
        ),
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Run the code that the store names even if you did not submit it yourself.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run failed trials again, as they were frozen, each with what it lacked.

    A trial that was killed for its memory gets half as much again, up to the
    limit of its target. A trial whose node failed avoids that node. A trial
    that raised an exception would raise it again, so it runs only with
    --force. --force also runs completed trials again: those that you name,
    or all of a sweep in which nothing else is left. The last result counts.
    Your own code runs as it was submitted: submit again after a change.

    \b
    Example:
      runner retry quickstart
      runner retry quickstart --force
      runner retry 3f2a --store /shared/results
    """
    from artifacts.store import Store
    from runner.cli.running import has_failed, run
    from runner.planning.plan import Options
    from runner.planning.request import frozen_request
    from runner.run.retry import choose
    from runner.sweep.reconcile import reconcile_if_idle
    from runner.sweep.selection import lost_nodes, select
    from runner.sweep.trust import check

    opened = Store(store)
    runs = []
    for sweep, only in select(opened, names or ()):
        if not trust:
            check(sweep.latest)
        request = frozen_request(sweep.latest)
        reconcile_if_idle(sweep)  # an attempt without a record could not be retried
        chosen = choose(
            request.specs,
            sweep.index,
            request.profile,
            lost_nodes(sweep),
            only=only,
            force=force,
            disturbed=disturbed,
        )
        _say_what_is_left(sweep.shown_name, chosen)
        if chosen.trials:
            options = Options(
                only=chosen.trials, extra=chosen.extra, again=disturbed or bool(chosen.completed)
            )
            runs.append((request, run(request, opened, options, quiet=as_json)))
    if as_json:
        output.json([submit_report(request, done) for request, done in runs])
    elif not runs:
        output.say("nothing to retry")
    if any(has_failed(done) for _, done in runs):
        raise typer.Exit(1)


def _say_what_is_left(sweep: str, chosen: Retry) -> None:
    for outcome, count in sorted(chosen.results.items()):
        output.note(f"{sweep}: {count} {outcome}, which is a result: only --force runs them again")
    if chosen.completed:
        output.note(
            f"{sweep}: {plural(len(chosen.completed), 'completed trial')} run again; the last "
            "result counts"
        )
    for trial in chosen.at_limit:
        output.note(
            f"{sweep}: {trial} was out of memory with all that its target has: raise mem_gb in the "
            "profile, and submit again"
        )
