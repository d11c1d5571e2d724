"""`runner show`: everything that one trial recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, TrialArgument


def show(trial: TrialArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Print everything that a trial recorded.

    Every column with its unit, one attempt after another.

    \b
    Example:
      runner show 3fa2c1
      runner show 3fa2c1 --json
    """
    from artifacts.store import Store
    from runner.report.record import epoch

    opened = Store(store)
    found, sweeps = opened.find(trial)
    attempts = [row for sweep in sweeps for row in opened.read(sweep, found)]
    if as_json:
        output.json([{**row, "history": [epoch(entry) for entry in row.get("history") or ()]} for row in attempts])
        return
    for row in attempts:
        _print_attempt(row)
    output.next_step(f"runner logs {found}", "prints what it wrote")


def _print_attempt(row: Mapping[str, Any]) -> None:
    from runner.report.record import history_table, sections

    output.heading(f"trial {row['trial']} of {row['sweep']}, attempt {row['attempt']}: {row['outcome']}")
    for section in sections(row):
        output.say()
        output.heading(section.title)
        width = max((len(line.name) for line in section.lines), default=0)
        for line in section.lines:
            below = "\n" + " " * (width + 4)
            output.say(f"  {line.name:<{width}}  {line.value.rstrip().replace(chr(10), below)}")
        if section.empty:
            output.say(f"  not recorded: {', '.join(section.empty)}")
    if row.get("history"):
        output.say()
        output.heading("history")
        output.table(history_table(row["history"]), indent=2)
    output.say()
