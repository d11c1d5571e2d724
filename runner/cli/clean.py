"""Run `runner clean [SWEEP]...`: remove old checkpoints, profiles, logs and code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    StoreOption,
    SweepsArgument,
    YesOption,
    sweeps_of,
)

if TYPE_CHECKING:
    from runner.housekeeping.cleaning import Cleaning

_SECONDS = {"m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def clean(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            metavar="KIND,...",
            help="Only these: checkpoints, profiles, logs, code. By default all.",
        ),
    ] = None,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="AGE",
            help="Only what was last written so long ago: 12h, 30d, 8w.",
        ),
    ] = "30d",
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Remove old checkpoints, profiles, logs and code of a store; never a record.

    It first lists what would go, and asks. Where nobody can answer, it only
    lists, unless --yes is given. What belongs to a trial that is queued or
    running stays. Code is a snapshot that no record names; none goes while
    a sweep is queued or running.

    \b
    Example:
      runner clean
      runner clean quickstart --kind logs --older-than 8w
      runner clean --kind checkpoints --older-than 0d --yes
    """
    from artifacts.store import Store
    from runner.housekeeping import cleaning

    opened = Store(store)
    names = sweeps_of(opened, sweeps)
    kinds = _kinds(kind, cleaning.KINDS)
    age_s = _age_s(older_than)
    found = cleaning.cleaning_of(opened, names, kinds, age_s)
    if not as_json:
        _print(found, older_than)
    agreed = bool(found.items) and (yes or output.confirm("Remove it for good?"))
    removed = agreed is True
    if removed:
        found = cleaning.clean(opened, names, kinds, age_s)
    if as_json:
        output.json(_plain(found, removed=removed))
    elif removed:
        output.say(f"removed {_total(found)}")
    elif found.items:
        how = ": answer 'y' on a terminal, or add --yes" if agreed is None else ""
        output.note(f"nothing was removed{how}")


def _kinds(given: str | None, known: tuple[str, ...]) -> list[str]:
    kinds = list(known) if given is None else [word.strip() for word in given.split(",")]
    for word in kinds:
        if word not in known:
            raise typer.BadParameter(f"'{word}' is none of {', '.join(known)}", param_hint="--kind")
    return kinds


def _age_s(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text.strip())
    if found is None:
        raise typer.BadParameter(
            f"'{text}' is no age: give minutes, hours, days or weeks, as in 30m, 12h, 30d, 8w",
            param_hint="--older-than",
        )
    return float(found[1]) * _SECONDS[found[2]]


def _print(found: Cleaning, age: str) -> None:
    from runner.housekeeping.cleaning import CHECKPOINTS, KINDS
    from runner.housekeeping.sizes import Space, human
    from runner.report.tables import Heading, Table

    rows = []
    for kind in KINDS:
        if items := found.of(kind):
            space = sum((item.space for item in items), Space())
            rows.append((kind, str(len(items)), str(space.files), human(space.bytes)))
    if rows:
        headings = (
            Heading("kind"),
            Heading("items", right=True),
            Heading("files", right=True),
            Heading("size", right=True),
        )
        output.table(Table(headings, tuple(rows)))
        if found.of(CHECKPOINTS):
            output.paragraph("A trial whose checkpoint goes would start anew.")
    else:
        output.say(f"nothing is older than {age}")
    for sweep in found.busy:
        output.note(
            f"'{sweep}' is queued, running or cannot be asked after: its trials "
            "stay, and so does all code"
        )


def _total(found: Cleaning) -> str:
    from runner.housekeeping.sizes import Space, human
    from runner.report.tables import plural

    space = sum((item.space for item in found.items), Space())
    return f"{plural(space.files, 'file')}, {human(space.bytes)}"


def _plain(found: Cleaning, *, removed: bool) -> dict[str, Any]:
    return {
        "removed": removed,
        "items": [
            {
                "kind": item.kind,
                "path": str(item.path),
                "files": item.space.files,
                "bytes": item.space.bytes,
            }
            for item in found.items
        ],
        "busy_sweeps": list(found.busy),
    }
