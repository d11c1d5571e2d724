"""`runner status [SWEEP]`: how a sweep stands, changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, SweepsArgument

if TYPE_CHECKING:
    from runner.status import SweepStatus


def status(sweeps: SweepsArgument = None, store: StoreOption = DEFAULT_STORE, json: JsonOption = False) -> None:
    """Show how many trials are completed, failed, running and waiting; read-only.

    \b
    Example:
      runner status
      runner status quickstart --json
    """
    from artifacts.store import Store
    from runner.errors import SweepNotNamed
    from runner.status import submitted_sweeps, sweep_status

    opened = Store(store)
    names = sweeps or submitted_sweeps(opened)
    if not names:
        raise SweepNotNamed(str(store), ())
    found = [sweep_status(opened, name) for name in names]
    if json:
        output.json([_plain(each) for each in found])
    else:
        for each in found:
            _show(each)
    if any(each.unreadable for each in found):
        raise typer.Exit(1)


def _show(status: SweepStatus) -> None:
    from runner.report.tables import Heading, Table

    driven = ", a submit is running it" if status.driven else ""
    output.heading(
        f"{status.sweep}: {status.counts['completed']} of {status.trials} trials completed (submission {status.submission}{driven})"
    )
    words = sorted(status.counts, key=lambda word: (word != "completed", word))
    headings = (Heading("target"), Heading("trials", right=True), *(Heading(word, right=True) for word in words))
    rows = tuple(
        (target, str(sum(counts.values())), *(str(counts[word] or "") for word in words)) for target, counts in status.by_target.items()
    )
    output.table(Table(headings, rows))
    if status.earlier:
        output.say(f"{status.earlier} recorded trials belong to earlier grids of this name")
    for path in status.unreadable:
        output.warn(f"unreadable record {path}")
    if status.completed:
        output.next_step(f"runner collect {status.sweep}", "gathers the records in one table")
    elif not status.driven:
        output.next_step("runner submit GRID", f"runs what has no completed record ('runner retry {status.sweep}' only what failed)")


def _plain(status: SweepStatus) -> dict[str, Any]:
    return {
        "sweep": status.sweep,
        "submission": status.submission,
        "trials": status.trials,
        "driven": status.driven,
        "counts": dict(status.counts),
        "by_target": {target: dict(counts) for target, counts in status.by_target.items()},
        "earlier": status.earlier,
        "unreadable": list(status.unreadable),
    }
