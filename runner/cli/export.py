"""Run `runner export [SWEEP]...`: write the records into other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output
from runner.cli.options import DEFAULT_STORE, JsonOption, StoreOption, SweepsArgument, sweeps_of
from runner.report.tables import plural

if TYPE_CHECKING:
    from runner.report.exports.runs import Exported, Run


def export(
    sweeps: SweepsArgument = None,
    store: StoreOption = DEFAULT_STORE,
    mlflow: Annotated[
        str | None,
        typer.Option(
            "--mlflow",
            metavar="URI|FOLDER",
            help="Tracking server or database of MLflow, or a folder for a new one.",
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            "--tensorboard", metavar="FOLDER", help="Folder for TensorBoard's event files."
        ),
    ] = None,
    wandb_offline: Annotated[
        Path | None,
        typer.Option(
            "--wandb-offline",
            metavar="FOLDER",
            help="Folder for runs of Weights & Biases, which 'wandb sync' uploads.",
        ),
    ] = None,
    attempts: Annotated[
        bool, typer.Option("--attempts", help="Export every attempt, not one per trial.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write trials into MLflow, TensorBoard or Weights & Biases, each as a run.

    A run has the trial's parameters, its numbers, its curves over the epochs
    and, but for TensorBoard, every other column. Exported again, nothing is
    added twice: what is new comes.

    \b
    Example:
      runner export --mlflow mlruns
      runner export quickstart --mlflow https://mlflow.example.org
      runner export --tensorboard events
      runner export --wandb-offline runs
    """
    from artifacts.store import Store
    from runner.api import load
    from runner.report.exports import to_mlflow, to_tensorboard, to_wandb
    from runner.report.exports.runs import runs_of

    if mlflow is None and tensorboard is None and wandb_offline is None:
        raise typer.BadParameter(
            "say where to: --mlflow URI|FOLDER, --tensorboard FOLDER, --wandb-offline FOLDER",
            param_hint="--mlflow",
        )
    opened = Store(store)
    records = load(store, sweeps_of(opened, sweeps), attempts=attempts)
    places: dict[str, Callable[[list[Run]], Exported]] = {}
    if mlflow is not None:
        places["mlflow"] = lambda runs: to_mlflow.export(runs, mlflow)
    if tensorboard is not None:
        places["tensorboard"] = lambda runs: to_tensorboard.export(runs, tensorboard)
    if wandb_offline is not None:
        places["wandb"] = lambda runs: to_wandb.export(runs, wandb_offline)
    runs = list(runs_of(records.to_arrow(), opened))
    done = {name: write(runs) for name, write in places.items()}
    if as_json:
        output.json({name: asdict(exported) for name, exported in done.items()})
    else:
        for exported in done.values():
            _say(exported)
        for said in records.notes:
            output.note(said)
        _say_next(done)
    for problem in records.unreadable:
        output.error(problem)
    if records.unreadable:
        raise typer.Exit(1)


def _say(exported: Exported) -> None:
    known = f", {exported.known} were there already" * bool(exported.known)
    output.say(f"{plural(exported.added, 'run')} added to {exported.place}{known}")
    for said in exported.notes:
        output.note(said)


def _say_next(done: dict[str, Exported]) -> None:
    import shlex

    if "mlflow" in done and done["mlflow"].place.startswith("sqlite:"):
        uri = shlex.quote(done["mlflow"].place)
        output.next_step(
            f"mlflow ui --backend-store-uri {uri}", "shows the runs (pip install mlflow)"
        )
    elif "tensorboard" in done:
        folder = shlex.quote(done["tensorboard"].place)
        output.next_step(f"tensorboard --logdir {folder}", "shows the runs")
    elif "wandb" in done:
        folder = shlex.quote(f"{done['wandb'].place}/wandb")
        output.next_step(f"wandb sync {folder}/offline-run-*", "uploads the runs")
