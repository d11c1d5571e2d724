"""What one trial computes with: model, optimizer and loaders, put together from the parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from jobs.data import open_dataset
from jobs.training import models, optimizers, schedules, seeds
from jobs.training.evaluation import Evaluation
from jobs.training.feeding.order import Loader, Order, n_batches_of, n_fed, training_order
from jobs.training.feeding.parts import Part, cut, parts_of
from jobs.training.feeding.resident import ResidentLoader
from jobs.training.feeding.workers import WorkersLoader
from jobs.training.fields import TrainParams
from jobs.training.pixels import Pixels, statistics
from jobs.training.precision import Precision
from jobs.training.shape import ImageShape
from jobs.training.steps import Forward, Pass, Sums, Work

BLOCK_BYTES: Final = 32 * 2**20
"""On a GPU so many bytes of batches are made at once: the kernels launched for one then serve
dozens. On a CPU a batch is best made when it is needed: it is still in the cache then."""


@dataclass(frozen=True)
class Data:
    """The data set, cut and ready to be fed."""

    digest: str
    """Of the files that the data set was prepared from."""
    shape: ImageShape
    """Of one image."""
    n_train: int
    """Images in the training part."""
    train: Loader
    """Of the training part."""
    val: tuple[Loader, int] | None
    """Loader and size of the validation part; None where it is empty."""
    test: tuple[Loader, int] | None
    """Loader and size of the test part; None where it is empty."""

    def close(self) -> None:
        """End what the loaders started."""
        for loader in (self.train, *(part[0] for part in (self.val, self.test) if part)):
            loader.close()


@dataclass(frozen=True)
class Session:
    """One trial's moving parts."""

    params: TrainParams
    device: torch.device
    seed: int
    data: Data
    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler | None
    """None where the learning rate never changes."""
    pairs: bool
    """A last batch of a single image is left out of an epoch: the model cannot be trained on it."""
    steps_per_epoch: int
    """Optimizer steps."""
    precision: Precision
    sums: Sums
    work: Work
    """Forward and backward pass of a batch."""
    val: Evaluation | None
    """None where the part is empty."""
    test: Evaluation | None
    """None where the part is empty."""

    @property
    def replays(self) -> bool:
        """Return whether passes are replays of CUDA graphs, of which torch's allocator sees
        nothing."""
        return self.device.type == "cuda" and (
            self.params.cuda_graphs or _compiles_graphs(self.params)
        )

    @property
    def lr(self) -> float:
        """Return the learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self) -> None:
        """Take one optimizer step from the gradients that are there, and one of the schedule."""
        scaler = self.precision.scaler
        if scaler.is_enabled():
            scaler.step(self.optimizer)
            scaler.update()
        else:
            self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()

    def order(self, epoch: int, start: int = 0) -> Order:
        """Return the training part's order in an epoch, from batch ``start`` on."""
        size = self.data.shape.height, self.data.shape.width
        batch_size, augment = self.params.batch_size, self.params.augmentation
        return training_order(
            self.data.n_train,
            batch_size,
            seed=self.seed,
            epoch=epoch,
            augment=augment,
            size=size,
            start=start,
            pairs=self.pairs,
        )

    @property
    def n_fed(self) -> int:
        """Return the images of an epoch."""
        return n_fed(self.data.n_train, self.params.batch_size, self.pairs)


def open_data(params: TrainParams, data_dir: Path | None, device: torch.device) -> Data:
    """Open the data set, split it, and bring it where the loader wants it."""
    dataset = open_dataset(params.dataset, data_dir)
    split = cut(params, dataset)
    parts = parts_of(dataset, split)
    made_on = device if params.loader == "resident" else torch.device("cpu")
    mean, std = statistics(params.normalization, dataset, split.train)
    # Worker processes make single images, which are put into the memory order only as a batch.
    pixels = Pixels(
        mean,
        std,
        channels_last=params.channels_last and params.loader == "resident",
        device=made_on,
    )

    def loader(part: Part) -> Loader:
        if params.loader == "dataloader":
            return WorkersLoader(part, pixels, params, device)
        return ResidentLoader(part, pixels, device, BLOCK_BYTES if device.type == "cuda" else 0)

    val, test = (
        None if len(part) == 0 else (loader(part), len(part)) for part in (parts.val, parts.test)
    )
    _, height, width, channels = dataset.images.shape
    shape = ImageShape(channels, height, width, len(dataset.classes))
    return Data(dataset.source, shape, len(parts.train), loader(parts.train), val, test)


def build(
    params: TrainParams, data: Data, data_dir: Path | None, device: torch.device, seed: int
) -> Session:
    """Seed every generator and build what the trial computes with; nothing is compiled or run
    yet."""
    seeds.begin(seed)
    model = (
        models.to_layout(
            models.build(params, data.shape, data_dir), channels_last=params.channels_last
        )
        .to(device)
        .train()
    )
    forward = compiled(params, model, min(params.batch_size, data.n_train))
    optimizer = optimizers.build(
        params, [weight for weight in model.parameters() if weight.requires_grad]
    )
    pairs = models.normalizes_batches(model)
    steps_per_epoch = -(
        -n_batches_of(data.n_train, params.batch_size, pairs) // params.grad_accumulation
    )
    schedule = schedules.build(params, optimizer, steps_per_epoch)
    precision = Precision(params, device)
    sums = Sums(device)
    # With CUDA graphs of torch.compile's own, gradients that are added to must not lie in memory
    # that the next replay reuses.
    keep = device.type == "cuda" and _compiles_graphs(params) and params.grad_accumulation > 1
    work = Pass(
        forward,
        optimizer,
        precision,
        sums,
        label_smoothing=params.label_smoothing,
        keep_gradients=keep,
    )
    val, test = (
        part and Evaluation(*part, params.batch_size, precision, device)
        for part in (data.val, data.test)
    )
    return Session(
        params,
        device,
        seed,
        data,
        model,
        optimizer,
        schedule,
        pairs,
        steps_per_epoch,
        precision,
        sums,
        work,
        val,
        test,
    )


def _compiles_graphs(params: TrainParams) -> bool:
    return params.compile in ("reduce-overhead", "max-autotune")


def compiled(params: TrainParams, model: nn.Module, batch_size: int) -> Forward:
    """Return the model, its full training batches through what torch.compile makes of it; nothing
    is compiled before the first.

    Only one shape is compiled: a program for each of the odd batches would take longer to make than
    it could ever save.
    """
    if params.compile == "off":
        return model
    program = torch.compile(
        model, mode=None if params.compile == "default" else params.compile, dynamic=False
    )

    def forward(images: Tensor) -> Tensor:
        logits: Tensor = (program if len(images) == batch_size else model)(images)
        return logits

    return forward
