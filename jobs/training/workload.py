"""The training workload: one trial from its parameters to the columns of its record.

A loss that stops being finite does not fail the trial: a learning rate that diverges is a result. The trial goes on as PyTorch
would, and its loss columns are NaN and its accuracies those of chance.
"""

from __future__ import annotations

from typing import Any

import torch

from jobs.context import Context
from jobs.training import backends, checkpoint, session
from jobs.training.fields import TrainParams
from jobs.training.loop import Loop
from jobs.training.progress import Progress
from jobs.training.session import Data
from jobs.training.timing import StepTimes


def run(params: TrainParams, context: Context) -> dict[str, Any]:
    """Train and evaluate one trial; the measured columns.

    Accuracies and losses are those of the model as it is after the last epoch; the training ones are means over that epoch.

    Raises:
        StopRequested: The context asked for it, and a checkpoint was written.
        TrainingError, DataError: The trial cannot be computed here; the message names the cure.
    """
    device = backends.device_of(params, context.device)
    threads = params.threads or context.threads
    context.note(threads=threads)
    with backends.applied(params, device, threads):
        with context.phase("data"):
            data = session.open_data(params, context.data_dir, device)
        try:
            return _train(params, context, data, device)
        finally:
            data.close()


def _train(params: TrainParams, context: Context, data: Data, device: torch.device) -> dict[str, Any]:
    with context.phase("build"):
        made = session.build(params, data, context.data_dir, device, context.seed)
    times = StepTimes(device)
    with context.phase("build"):
        found = checkpoint.load(context.checkpoint_folder, context.trial, made, times) if context.resumed else None
    progress = Progress()
    if found is not None:
        progress, carried = found
        context.carry(carried["phases"], carried["history"])
        context.note(resumed_from_epoch=progress.epoch)
    Loop(made, context, progress, times).run()
    if context.resumed:
        checkpoint.discard(context.checkpoint_folder)
    return _columns(progress, times)


def _columns(progress: Progress, times: StepTimes) -> dict[str, Any]:
    columns: dict[str, Any] = {**progress.scores, "epochs_run": progress.epoch - 1, "steps": progress.steps, **times.columns()}
    if progress.best_epoch is not None:
        columns["best_epoch"] = progress.best_epoch
    if progress.train_s:
        columns["samples_per_s"] = progress.images / progress.train_s
    return columns
