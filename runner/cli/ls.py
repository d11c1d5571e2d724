"""Run `runner ls [SWEEP]...`: list the sweeps of a store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    SweepsArgument,
    grid_step,
    sweeps_of,
)

if TYPE_CHECKING:
    from runner.housekeeping.listing import ListedSweep


def ls(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List the sweeps of a store: when, how many trials, how they ended, size.

    The outcomes are those of all recorded trials, also of earlier grids. The
    scheduler is not asked: `runner status` tells what is queued.

    \b
    Example:
      runner ls
      runner ls --store /shared/results --json
    """
    from artifacts.store import Store
    from runner.housekeeping.listing import listed

    opened = Store(store)
    names = sweeps_of(opened, sweeps)
    for name in names:
        opened.check_known(name)
    found = listed(opened, names)
    if as_json:
        output.json([_plain(each) for each in found])
    elif not found:
        output.say(f"{store} has no sweep yet")
        grid_step("shows the trials of a grid, which submit runs")
    else:
        _print(found)
    for problem in (problem for each in found for problem in each.unreadable):
        output.error(problem)
    if any(each.unreadable for each in found):
        raise typer.Exit(1)


def _print(found: list[ListedSweep]) -> None:
    from runner.housekeeping.sizes import human
    from runner.report.tables import Heading, Table

    rows = tuple(
        (
            each.name,
            "merged" if each.submitted_at is None else _day(each.submitted_at),
            str(each.trials),
            _outcomes(each),
            human(each.size),
        )
        for each in found
    )
    headings = (
        Heading("sweep"),
        Heading("submitted"),
        Heading("trials", right=True),
        Heading("recorded"),
        Heading("size", right=True),
    )
    notes = tuple(
        f"{each.name} is also called {', '.join(each.former)}" for each in found if each.former
    )
    output.table(Table(headings, rows, notes=notes))


def _outcomes(each: ListedSweep) -> str:
    words = sorted(each.outcomes, key=lambda word: (word != "completed", word))
    said = ", ".join(f"{each.outcomes[word]} {word}" for word in words) or "nothing"
    return f"{said} (a submit is running)" if each.running else said


def _day(time: float) -> str:
    return datetime.fromtimestamp(time).astimezone().strftime("%Y-%m-%d %H:%M")


def _plain(each: ListedSweep) -> dict[str, Any]:
    return {
        "sweep": each.name,
        "former_names": list(each.former),
        "submitted_at": None
        if each.submitted_at is None
        else datetime.fromtimestamp(each.submitted_at).astimezone(),
        "submissions": each.submissions,
        "trials": each.trials,
        "outcomes": dict(each.outcomes),
        "submit_is_running": each.running,
        "size_bytes": each.size,
        "unreadable": list(each.unreadable),
    }
