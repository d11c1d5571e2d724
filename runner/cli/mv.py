"""Run `runner mv OLD NEW`: give a sweep another name."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, StoreOption, complete_sweep


def mv(
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="The sweep, by its name or the file of its grid.",
            autocompletion=complete_sweep,
        ),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Give a sweep another name, also while it runs.

    Every command shows the new name from then on, and takes both: a submit of
    a grid with either name continues this sweep. Records are not edited.

    \b
    Example:
      runner mv quickstart monday
    """
    from artifacts.store import Store
    from runner.housekeeping.rename import rename
    from runner.sweep.selection import sweep_of

    opened = Store(store)
    before = rename(opened, sweep_of(opened, old), new)
    if before == new:
        output.say(f"the sweep is called '{new}' already")
        return
    output.say(f"'{before}' is now '{new}'; both names mean this sweep")
    output.next_step(output.typed("runner", "collect", new), "gathers its records")
