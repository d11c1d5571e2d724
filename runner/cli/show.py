"""Run `runner show`: print everything that one trial recorded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, TrialArgument, sweeps_of
from runner.report.tables import plural

if TYPE_CHECKING:
    from artifacts.store import Store
    from runner.sweep.submission import Submission


NotCompletedOption = Annotated[
    bool,
    typer.Option(
        "--failed",
        help="List the trials of a sweep that did not complete, and why; TRIAL is then the name "
        "of the sweep.",
    ),
]

SubmissionOption = Annotated[
    bool,
    typer.Option(
        "--submission",
        help="Show what a submit froze: the command that was typed and the grid after --set and "
        "--on. TRIAL is then the name of the sweep, for its latest submission, or SWEEP/NUMBER.",
    ),
]


def show(
    trial: TrialArgument,
    store: StoreOption = DEFAULT_STORE,
    failed: NotCompletedOption = False,
    submission: SubmissionOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print everything that a trial recorded.

    It first says how each attempt ended, how good the result is, how long it
    took and what differs from the defaults. Then it prints every column with
    its unit. A parameter that was null or auto has the value that was used.

    \b
    Example:
      runner show 3fa2c1
      runner show 3fa2c1 --json
      runner show --failed quickstart
      runner show --submission quickstart
    """
    from artifacts.store import Store
    from runner.report.record import epoch

    opened = Store(store)
    if submission:
        _show_submission(opened, trial, as_json=as_json)
        return
    if failed:
        _show_failed(opened, sweeps_of(opened, [trial])[0], as_json=as_json)
        return
    found, sweeps = opened.find(trial)
    attempts = [row for sweep in sweeps for row in opened.read(sweep, found)]
    if as_json:
        output.json(
            [
                {**row, "history": [epoch(entry) for entry in row.get("history") or ()]}
                for row in attempts
            ]
        )
        return
    for row in attempts:
        _print_attempt(row)
    if any(row.get("log") or row.get("traceback") for row in attempts):
        output.next_step(output.typed("runner", "logs", found), "prints what it wrote")
    else:
        output.next_step(
            output.typed("runner", "collect", opened.shown_name(sweeps[-1])),
            "compares it with the others",
        )


def _print_attempt(row: Mapping[str, Any]) -> None:
    from runner.report.record import headline, history_table, sections

    output.heading(
        f"trial {row['trial']} of {row['sweep']}, attempt {row['attempt']}: "
        f"{row['outcome']}{', diverged' * bool(row['diverged'])}"
    )
    for said in headline(row):
        output.paragraph(said, indent=2)
    for section in sections(row):
        output.say()
        output.heading(section.title)
        width = max((len(line.name) for line in section.lines), default=0)
        for line in section.lines:
            below = "\n" + " " * (width + 4)
            output.say(f"  {line.name:<{width}}  {line.value.rstrip().replace(chr(10), below)}")
        if section.empty:
            output.paragraph(f"not recorded: {', '.join(section.empty)}", indent=2)
    if row.get("history"):
        output.say()
        output.heading("history")
        output.table(history_table(row["history"]), indent=2)
    output.say()


def _show_failed(store: Store, sweep: str, *, as_json: bool) -> None:
    from artifacts.collect import collect
    from artifacts.tables import rows_of
    from runner.report.record import first_line
    from runner.report.summary import varying_columns
    from runner.report.tables import listing

    table = collect(store, [sweep]).table
    names = dict.fromkeys(
        (
            "trial",
            "attempt",
            "outcome",
            *varying_columns(table),
            "seed",
            "error_type",
            "error_message",
        )
    )
    rows = [row for row in rows_of(table.select(list(names))) if row["outcome"] != "completed"]
    if as_json:
        output.json(rows)
    elif not rows:
        output.say(f"{store.shown_name(sweep)}: no recorded trial failed")
    else:
        output.table(
            listing(
                list(names),
                [{**row, "error_message": first_line(row["error_message"])} for row in rows],
            )
        )
        output.next_step(output.typed("runner", "show", rows[0]["trial"]), "shows the whole record")


def _show_submission(store: Store, name: str, *, as_json: bool) -> None:
    found = _submission_of(store, name)
    about, typed = found.about, found.typed
    environment, overrides = about.environment, about.overrides
    # Without a typed command, as from Python, the options stand for one.
    words = ["runner", "submit", about.grid or "GRID", *overrides.as_options()]
    command = shlex.join(words if typed is None else typed.words)
    if as_json:
        output.json(
            {
                "sweep": found.sweep,
                "submission": found.number,
                "command": command,
                "typed": typed is not None,
                "folder": None if typed is None else typed.folder,
                "overrides": overrides,
                "grid": found.effective_text,
                "about": about,
            }
        )
        return
    output.heading(f"submission {found.number} of {found.sweep}")
    where = {} if typed is None else {"typed in": typed.folder}
    data = ", ".join(f"{dataset} {digest}" for dataset, digest in about.data.items())
    lines = {
        "command" if typed else "no command is on record; it would be": command,
        **where,
        "grid": about.grid,
        "backend": about.backend,
        "data folder": about.data_dir,
        "data": data,
        "commit": f"{environment.commit or ''}{' with changes' * bool(environment.dirty)}",
        "python": f"{environment.python}, {plural(len(environment.packages), 'package')}",
        "variables": ", ".join(
            f"{name}={value}" for name, value in (environment.variables or {}).items()
        ),
    }
    for title, value in lines.items():
        if value:
            output.say(f"  {title:<11}  {value}")
    output.say()
    output.heading("grid after --set and --on" if overrides.changes_grid else "grid")
    for line in found.effective_text.splitlines():
        output.say(f"  {line}")


def _submission_of(store: Store, name: str) -> Submission:
    """The submission that ``SWEEP`` or ``SWEEP/NUMBER`` means."""
    from runner.errors import UnknownSubmission
    from runner.sweep.selection import sweep_of
    from runner.sweep.sweep import Sweep

    sweep, slash, number = name.rpartition("/")
    if not slash or not number.isdecimal() or Path(name).exists():
        return Sweep(store, sweep_of(store, name)).latest
    opened = Sweep(store, sweep_of(store, sweep))
    known = [found.number for found in opened.submissions] if opened.latest else []
    if int(number) not in known:
        raise UnknownSubmission(opened.name, int(number), tuple(known))
    return opened.submissions[known.index(int(number))]
