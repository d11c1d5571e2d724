"""Run `runner rm SWEEP...`: remove sweeps from a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    YesOption,
    complete_sweep,
    sweeps_of,
)
from runner.report.tables import plural

if TYPE_CHECKING:
    from runner.housekeeping.removal import Removal


def rm(
    sweeps: Annotated[
        list[str],
        typer.Argument(
            metavar="SWEEP", help="Sweeps, by their names.", autocompletion=complete_sweep
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove sweeps: their records, submissions, logs and files.

    It first says what goes, and asks. Files of trials that another sweep has
    too stay. A sweep of which something is queued or running is refused. If it
    is killed, type it again: it removes the rest.

    \b
    Example:
      runner rm quickstart
      runner rm quickstart --yes
    """
    from artifacts.store import Store
    from runner.housekeeping.removal import removal_of, remove, was_cut_short

    opened = Store(store)
    names = sweeps_of(opened, sweeps)
    rest = [name for name in names if was_cut_short(opened, name)]
    removals = [removal_of(opened, name) for name in names if name not in rest]
    if not as_json:
        for name in rest:
            output.say(f"'{name}': what a removal that was cut short has left")
        for removal in removals:
            _say(removal)
    agreed = yes or output.confirm("Remove it for good?")
    if agreed is None:
        raise typer.BadParameter(
            "nothing was removed: answer 'y' on a terminal, or add --yes", param_hint="SWEEP"
        )
    if not agreed:
        output.note("nothing was removed")
        raise typer.Exit(1)
    for name in names:
        remove(opened, name)
    if as_json:
        output.json([_plain(removal) for removal in removals])
    else:
        output.say(f"removed {', '.join([*rest, *(removal.name for removal in removals)])}")


def _say(removal: Removal) -> None:
    from runner.housekeeping.sizes import human

    output.heading(f"'{removal.name}' has")
    output.paragraph(
        f"{plural(removal.submissions, 'submission')}, {plural(removal.attempts, 'record')} of "
        f"{plural(removal.trials, 'trial')}, and logs: {human(removal.space.bytes)}",
        indent=2,
    )
    if removal.files:
        output.paragraph(
            f"files of {plural(len(removal.files), 'trial')} (checkpoints, profiles): "
            f"{human(removal.files_space.bytes)}",
            indent=2,
        )
    if removal.shared:
        output.paragraph(
            f"the files of {plural(len(removal.shared), 'trial')} stay, because another sweep has "
            "the trial too",
            indent=2,
        )


def _plain(removal: Removal) -> dict[str, Any]:
    return {
        "sweep": removal.name,
        "submissions": removal.submissions,
        "records": removal.attempts,
        "trials": removal.trials,
        "bytes": removal.space.bytes + removal.files_space.bytes,
        "files_removed_of": list(removal.files),
        "files_kept_of": list(removal.shared),
    }
