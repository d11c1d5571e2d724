"""Run `runner doctor`: compare the profile with the live cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runner.cli import output
from runner.cli.options import (
    DEFAULT_STORE,
    ClusterOption,
    DataDirOption,
    JsonOption,
    StoreOption,
    data_folder,
    grid_step,
)

if TYPE_CHECKING:
    from runner.doctor.findings import Diagnosis

TIMEOUT_S = 60


def doctor(
    cluster: ClusterOption = None,
    store: StoreOption = DEFAULT_STORE,
    data_dir: DataDirOption = None,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Run nothing on the nodes, and write nothing.")
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=1,
            metavar="SECONDS",
            help="How long a probe may wait, and how long it may then run.",
        ),
    ] = TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Check the profile against the cluster, and say what would be refused.

    A probe runs on every target: a short task that reads a file of the store,
    imports what the trials need, looks for the GPU that the target promises
    and writes back what it saw. Its files are removed afterward. The exit
    code is 1 if the trials of a target could not run.

    \b
    Example:
      runner doctor
      runner doctor --cluster cluster.yaml --store /shared/results
      runner doctor --no-probe --json
    """
    from runner.doctor.checkup import diagnose
    from runner.planning.profile import find_profile

    site = find_profile(cluster, Path.cwd())
    found = diagnose(
        site.profile,
        store,
        data_dir=data_folder(store, data_dir),
        probe=not no_probe,
        timeout_s=timeout,
        say=output.note,
    )
    if as_json:
        output.json(_plain(found))
    else:
        _show(found)
    if found.refused:
        raise typer.Exit(1)


def _show(found: Diagnosis) -> None:
    from runner.report.tables import Heading, Table

    output.heading(f"{found.profile} on {found.backend}, records in {found.store}")
    rows = tuple(
        (
            check.target,
            check.partition,
            found.verdict(check.target),
            check.node,
            "" if check.answer_s is None else f"{check.answer_s:.1f}",
        )
        for check in found.targets
    )
    headings = (
        Heading("target"),
        Heading("partition"),
        Heading("verdict"),
        Heading("probed on"),
        Heading("answer s", right=True),
    )
    output.table(Table(headings, rows))
    for finding in found.findings:
        output.say(f"\n{finding.level}: {finding.target or 'everything'}: {finding.what}")
        output.say(f"  fix: {finding.fix}")
    if found.refused:
        output.next_step("runner doctor", "checks again after the fix")
    else:
        grid_step("shows what submit would queue")


def _plain(found: Diagnosis) -> dict[str, Any]:
    return {
        "profile": found.profile,
        "backend": found.backend,
        "store": found.store,
        "probed": found.probed,
        "refused": found.refused,
        "targets": [
            {
                "target": check.target,
                "partition": check.partition or None,
                "verdict": found.verdict(check.target),
                "node": check.node or None,
                "answer_s": check.answer_s,
            }
            for check in found.targets
        ],
        "findings": [
            {
                "target": finding.target or None,
                "level": finding.level,
                "what": finding.what,
                "fix": finding.fix,
            }
            for finding in found.findings
        ],
    }
