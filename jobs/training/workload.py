"""The training workload: one trial from its parameters to the columns of its record.

A loss that stops being finite does not fail the trial: a learning rate that diverges is a result.
The trial goes on as PyTorch would, and its loss columns are NaN and its accuracies those of chance.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from jobs.compat import torchvision
from jobs.context import Context
from jobs.data import open_dataset
from jobs.measure import loaded_torch
from jobs.training import backends, checkpoint, optimizers
from jobs.training.fields import TrainParams
from jobs.training.loop import Loop
from jobs.training.profiling import trace
from jobs.training.progress import TrainingProgress
from jobs.training.scalars import TensorBoard
from jobs.training.session import Session, build, open_data
from jobs.training.timing import StepTimes
from jobs.training.warmup import count_flops, warm_up


def run(params: TrainParams, context: Context) -> dict[str, Any]:
    """Train and evaluate one trial; the measured columns.

    Accuracies and losses are those of the model as it is after the last epoch; the training ones
    are means over that epoch.

    Raises:
        StopRequested: The context asked for it, and a checkpoint was written.
        TrainingError, DataError: The trial cannot be computed here; the message says how to fix it.
    """
    device = backends.device_of(params, context.device)
    context.device = "cuda" if device.type == "cuda" else "cpu"
    threads = params.threads or context.threads
    context.note(threads=threads)
    with ExitStack() as ending:
        ending.enter_context(backends.applied(params, device, threads))
        with context.phase("import"):
            backends.start(device)
        with context.phase("data"):
            data = open_data(params, context.data_dir, device)
            ending.callback(data.close)
            context.data_digest = data.digest
        with context.phase("build"):
            session = build(params, data, context.data_dir, device, context.seed)
        with context.phase("warmup"):
            flops = count_flops(session)
            session = warm_up(session)
        times = StepTimes(device)
        with context.phase("build"):
            progress = _resume(session, context, times)
        with context.phase("write"):
            if params.profile:
                trace(session, context.files / "profile")
            board = (
                TensorBoard(context.files / "tensorboard", progress.epoch)
                if params.tensorboard
                else None
            )
        if board is not None:
            ending.callback(board.close)  # also where training breaks off
        if not session.replays:  # their memory was counted when they were recorded
            loaded_torch.reset_peak_memory()  # what only warm-up and trace held does not count
        Loop(session, context, progress, times, board).run()
        if board is not None:
            with context.phase("write"):
                board.close()
    if context.resumed:
        checkpoint.discard(context.checkpoint_folder)
    return _columns(session, progress, times, flops)


def warm(params: TrainParams, data_dir: Path | None) -> None:
    """Bring into a warm process what each trial would wait for: the data, mapped, and what torch
    loads with its first optimizer."""
    open_dataset(params.dataset, data_dir)
    optimizers.build(params, [torch.nn.Parameter(torch.zeros(1))])
    if params.model.startswith("resnet"):
        torchvision()


def _resume(session: Session, context: Context, times: StepTimes) -> TrainingProgress:
    """Where to begin: at the checkpoint of an earlier attempt, or at the beginning."""
    found = (
        checkpoint.load(context.checkpoint_folder, context.trial, session, times)
        if context.resumed
        else None
    )
    if found is None:
        return TrainingProgress()
    progress, snapshot = found
    context.carry(snapshot)
    context.note(resumed_from_epoch=progress.epoch)
    return progress


def _columns(
    session: Session, progress: TrainingProgress, times: StepTimes, flops: float
) -> dict[str, Any]:
    """What the record gets; a column that was not measured is left out.

    Args:
        flops: Operations for one image.
    """
    columns: dict[str, Any] = {
        **progress.scores,
        "epochs_run": progress.epoch - 1,
        "steps": progress.steps,
        **times.columns(),
    }
    columns["samples_per_s"] = progress.images / progress.train_s
    if progress.best_epoch is not None:
        columns["best_epoch"] = progress.best_epoch
    if flops:
        size = session.params.batch_size
        images = min(size * session.params.grad_accumulation, session.n_fed)
        columns["flops_per_step"] = flops * images
        columns["tflops_per_s"] = flops * columns["samples_per_s"] / 1e12
    return columns
