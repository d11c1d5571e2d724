"""Run `runner submit GRID`: freeze a grid and run its trials."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.api import MAX_TRIALS, submit_report
from runner.cli import output
from runner.cli import plan as planning_output
from runner.cli.options import (
    DEFAULT_STORE,
    ClusterOption,
    DataDirOption,
    JsonOption,
    StoreOption,
    check_file,
    data_folder,
)
from runner.cli.plan import (
    BackendOption,
    GridArgument,
    LimitOption,
    MaxTrialsOption,
    NoSnapshotOption,
    OnOption,
    PackOption,
    RerunOption,
    SetOption,
)
from runner.cli.running import has_failed, run


def submit(
    grid: GridArgument,
    store: StoreOption = DEFAULT_STORE,
    cluster: ClusterOption = None,
    data_dir: DataDirOption = None,
    sets: SetOption = None,
    on: OnOption = None,
    backend: BackendOption = "auto",
    pack: PackOption = None,
    limit: LimitOption = None,
    max_trials: MaxTrialsOption = MAX_TRIALS,
    no_snapshot: NoSnapshotOption = False,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Run every trial of a group, even if its first trials all fail in the same way.",
        ),
    ] = False,
    rerun_changed: RerunOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, and change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run every trial of a grid that has no completed record.

    On SLURM it queues the trials and returns. On a local Ray it stays and
    shows progress. After Ctrl-C the running trials write a checkpoint, and
    the same command continues where it stopped. A second Ctrl-C ends at once.

    \b
    Example:
      runner submit grid.yaml
      runner submit grid.yaml --set epochs=1 --limit 4 --backend ray
    """
    from artifacts.store import Store
    from runner.planning.data_folder import remember
    from runner.planning.plan import Options

    check_file(grid, store)
    data_dir = data_folder(store, data_dir)
    request = planning_output.read(
        grid,
        sets=sets,
        on=on,
        cluster=cluster,
        data_dir=data_dir,
        backend=backend,
        max_trials=max_trials,
        no_snapshot=no_snapshot,
    )
    options = Options(pack=pack, limit=limit, keep_going=keep_going, rerun_changed=rerun_changed)
    if dry_run:
        planning_output.show(request, store, options, as_json=as_json)
        return
    if data_dir is not None:
        remember(Store(store), data_dir)
    done = run(request, Store(store), options, quiet=as_json)
    if as_json:
        output.json(submit_report(request, done))
    if has_failed(done):
        raise typer.Exit(1)
