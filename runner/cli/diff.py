"""Run `runner diff [SWEEP]...`: what has changed since trials were computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    SweepsArgument,
    sweeps_of,
)

if TYPE_CHECKING:
    from runner.report.differences import Differences


def diff(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    names_only: Annotated[
        bool, typer.Option("--names", help="Name the files that changed, without their lines.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what has changed since the completed trials were computed.

    Your code is compared as it was when they ran and as it is now, in the
    form of diff -u. Data is compared by its digest, packages by their
    versions then and now.

    \b
    Example:
      runner diff quickstart
      runner diff quickstart --names
    """
    from artifacts.store import Store
    from runner.report.differences import differences_of
    from runner.sweep.sweep import Sweep, submitted_sweeps

    opened = Store(store)
    names = sweeps_of(opened, sweeps) or submitted_sweeps(opened)
    found = [differences_of(Sweep(opened, name)) for name in names]
    if as_json:
        output.json([_plain(one) for one in found])
        return
    for one in found:
        _print(one, names_only=names_only)


def _print(found: Differences, *, names_only: bool) -> None:
    from runner.report.tables import plural

    output.heading(f"{found.sweep}: {plural(found.completed, 'completed trial')}")
    for note in found.notes:
        output.note(f"note: {note}")
    for code in found.code:
        trials = plural(code.trials, "trial")
        trouble = f": {code.trouble}" if code.trouble else ""
        output.paragraph(f"{trials} ran other code ({code.digest}){trouble}", indent=2)
        if names_only:
            for file in code.files:
                output.say(f"    {file.how} {file.name}")
        elif code.diff:
            output.say(code.diff.rstrip("\n"))
    for data in found.data:
        output.paragraph(
            f"{plural(data.trials, 'trial')} read other data: {data.dataset} {data.digest}, now "
            f"{data.now}",
            indent=2,
        )
    for packages in found.packages:
        unknown = "" if packages.changes else ": their records name them (packages_differ)"
        output.paragraph(
            f"{plural(packages.trials, 'trial')} ran with other packages{unknown}", indent=2
        )
        for name, (then, now) in packages.changes.items():
            output.say(f"    {name} {then or 'not installed'}, now {now or 'not installed'}")
    if not found:
        output.say("  nothing has changed since they were computed")


def _plain(found: Differences) -> dict[str, Any]:
    return {
        "sweep": found.sweep,
        "completed": found.completed,
        "code": [
            {
                "digest": code.digest,
                "trials": code.trials,
                "files": [{"name": file.name, "how": file.how} for file in code.files],
                "diff": code.diff,
                "trouble": code.trouble or None,
            }
            for code in found.code
        ],
        "data": [
            {
                "dataset": data.dataset,
                "trials": data.trials,
                "digest": data.digest,
                "now": data.now,
            }
            for data in found.data
        ],
        "packages": [
            {
                "trials": packages.trials,
                "changes": [
                    {"name": name, "then": then, "now": now}
                    for name, (then, now) in packages.changes.items()
                ],
            }
            for packages in found.packages
        ],
        "notes": list(found.notes),
    }
