"""Run `runner merge STORE... --into STORE`: bring the records of several stores together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import JsonOption
from runner.report.tables import plural

if TYPE_CHECKING:
    from runner.housekeeping.merging import MergedStore


def merge(
    stores: Annotated[
        list[Path], typer.Argument(metavar="STORE", help="Folders of the stores to read.")
    ],
    into: Annotated[
        Path,
        typer.Option(
            "--into", metavar="STORE", help="Store that gets their records; made if absent."
        ),
    ],
    files: Annotated[
        bool,
        typer.Option("--files", help="Also copy checkpoints, profiles and other files of trials."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy what several stores recorded into one.

    Attempt 1 of one store and attempt 1 of another stay two. Logs, code and
    what submits froze come along; the stores themselves are not changed.
    Merged again, nothing is added twice. If it is killed, type it again.

    \b
    Example:
      runner merge /scratch/anna/results /scratch/ben/results --into both
      runner collect --store both
    """
    from artifacts.store import Store
    from runner.housekeeping.merging import merge as merge_stores

    merged = merge_stores([Store(path) for path in stores], Store(into), files=files)
    if as_json:
        output.json([_plain(each) for each in merged])
    else:
        for each in merged:
            _say(each)
    damaged = [problem for each in merged for sweep in each.sweeps for problem in sweep.unreadable]
    for problem in damaged:
        output.error(f"{problem}; it was left out")
    if not as_json:
        output.next_step(f"runner collect --store {into}", "makes one table of all")
    if damaged:
        raise typer.Exit(1)


def _say(merged: MergedStore) -> None:
    from runner.housekeeping.sizes import human

    output.heading(f"{merged.path} (store {merged.id})")
    for sweep in merged.sweeps:
        known = f", {sweep.known} were there already" * bool(sweep.known)
        output.paragraph(
            f"{sweep.sweep}: {plural(sweep.added, 'record')} added{known}; "
            f"{plural(sweep.logs, 'log')} and {plural(sweep.submissions, 'submission')} copied",
            indent=2,
        )
    if merged.snapshots:
        output.paragraph(f"{plural(merged.snapshots, 'snapshot')} of code copied", indent=2)
    if merged.files:
        output.paragraph(f"{plural(merged.files, 'file')} of trials copied", indent=2)
    if merged.left.files:
        output.paragraph(
            f"{plural(merged.left.files, 'file')} of trials (checkpoints, profiles; "
            f"{human(merged.left.bytes)}) not copied: --files brings them",
            indent=2,
        )
    for path in merged.kept[:5]:
        output.warn(f"{path} stays as it is, though another file of this name was to be copied")
    if len(merged.kept) > 5:
        output.warn(f"and so do {len(merged.kept) - 5} more files")
    for said in merged.notes:
        output.warn(said)


def _plain(merged: MergedStore) -> dict[str, Any]:
    return {
        "store": str(merged.path),
        "id": merged.id,
        "sweeps": [
            {
                "sweep": each.sweep,
                "added": each.added,
                "known": each.known,
                "logs": each.logs,
                "submissions": each.submissions,
                "unreadable": list(each.unreadable),
            }
            for each in merged.sweeps
        ],
        "snapshots": merged.snapshots,
        "files": merged.files,
        "files_left": merged.left.files,
        "files_left_bytes": merged.left.bytes,
        "kept": [str(path) for path in merged.kept],
        "notes": merged.notes,
    }
