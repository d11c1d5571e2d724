"""`runner retry [SWEEP | TRIAL]...`: another attempt for what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runner.api import submit_report
from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, NamesArgument, StoreOption
from runner.report.tables import plural

if TYPE_CHECKING:
    from artifacts.index import Index
    from artifacts.store import Store
    from runner.run.retry import Retry


def retry(
    names: NamesArgument = None,
    store: StoreOption = DEFAULT_STORE,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also what raised an exception or used up the GPU's memory; if that is nothing, "
            "or trials are named, completed ones.",
        ),
    ] = False,
    disturbed: Annotated[
        bool,
        typer.Option(
            "--disturbed", help="Instead, completed trials whose measurement was disturbed."
        ),
    ] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Run the code that the store names although it is not what you submitted "
            "yourself.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run failed trials again, as they were frozen, each with what it lacked.

    A trial killed for its memory gets half as much again, up to its target's limit; one whose node
    failed avoids that node. An exception is a result: the same trial would raise it again, so it is
    run again only with --force. After a change of code --force runs completed trials again, too:
    those that are named, or all of a sweep in which nothing else is left. The last result counts.

    \b
    Example:
      runner retry quickstart
      runner retry quickstart --force
      runner retry 3f2a --store /shared/results
    """
    from artifacts.store import Store
    from runner.cli.submit import has_failed, run
    from runner.planning.plan import Options
    from runner.planning.request import frozen_request
    from runner.run.retry import choose
    from runner.sweep.reconcile import settle_if_idle
    from runner.sweep.selection import select
    from runner.sweep.status import latest_submission
    from runner.sweep.trust import check

    opened = Store(store)
    runs = []
    for sweep, only in select(opened, names or ()).items():
        submission = latest_submission(opened, sweep)
        if not trust:
            check(submission)
        request = frozen_request(submission)
        settle_if_idle(opened, sweep)  # what died without a word has no record to be retried by
        index = opened.index(sweep)
        lost = _lost_nodes(opened, sweep, index)
        chosen = choose(
            request.specs, index, request.profile, lost, only=only, force=force, disturbed=disturbed
        )
        _say_what_is_left(sweep, chosen)
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


def _lost_nodes(store: Store, sweep: str, index: Index) -> dict[str, str]:
    lost = (
        trial for trial, attempts in index.trials.items() if attempts[-1].outcome == "node_failed"
    )
    nodes = {trial: store.read(sweep, trial)[-1].get("node") for trial in lost}
    return {trial: node for trial, node in nodes.items() if node}


def _say_what_is_left(sweep: str, chosen: Retry) -> None:
    for outcome, count in sorted(chosen.results.items()):
        output.note(
            f"{sweep}: {count} {outcome}, which is a result and is left alone: --force runs them "
            "again"
        )
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
