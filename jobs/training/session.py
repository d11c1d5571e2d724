"""What one trial computes with: model, optimizer and loaders, put together from the parameters."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from jobs.data import open_dataset
from jobs.training import models, optimizers, schedules
from jobs.training.evaluation import Evaluation
from jobs.training.feeding.order import Loader, Order, training_order
from jobs.training.feeding.parts import Part, cut, parts_of
from jobs.training.feeding.resident import ResidentLoader
from jobs.training.feeding.workers import WorkersLoader
from jobs.training.fields import TrainParams
from jobs.training.models import ImageShape
from jobs.training.pixels import Pixels, statistics
from jobs.training.precision import Precision
from jobs.training.steps import Forward, Pass, Sums, weights_of


@dataclass(frozen=True)
class Data:
    """The data set, cut and ready to be fed.

    Attributes:
        shape: Of one image.
        n_train: Images in the training part.
        train, val, test: Loaders of the parts, with their sizes; the last two are None where the part is empty.
    """

    shape: ImageShape
    n_train: int
    train: Loader
    val: tuple[Loader, int] | None
    test: tuple[Loader, int] | None

    def close(self) -> None:
        """End what the loaders started."""
        for loader in (self.train, *(part[0] for part in (self.val, self.test) if part)):
            loader.close()


@dataclass(frozen=True)
class Session:
    """One trial's moving parts.

    Attributes:
        forward: The model, or what a compiler made of it.
        schedule: None where the learning rate never changes.
        work: Forward and backward pass of a batch.
        val, test: None where the part is empty.
    """

    params: TrainParams
    device: torch.device
    seed: int
    data: Data
    model: nn.Module
    forward: Forward
    optimizer: Optimizer
    schedule: LRScheduler | None
    precision: Precision
    sums: Sums
    work: Pass
    val: Evaluation | None
    test: Evaluation | None

    def order(self, epoch: int, start: int = 0) -> Order:
        """The training part's order in an epoch, from batch ``start`` on."""
        size = self.data.shape.height, self.data.shape.width
        batch_size, augment = self.params.batch_size, self.params.augmentation
        return training_order(self.data.n_train, batch_size, seed=self.seed, epoch=epoch, augment=augment, size=size, start=start)


def open_data(params: TrainParams, data_dir: Path | None, device: torch.device) -> Data:
    """Open the data set, split it, and bring it where the loader wants it."""
    dataset = open_dataset(params.dataset, data_dir)
    split = cut(params, dataset)
    parts = parts_of(dataset, split)
    made_on = device if params.loader == "resident" else torch.device("cpu")
    mean, std = statistics(params.normalisation, dataset, split.train)
    # Worker processes make single images, which are put into the memory order only as a batch.
    pixels = Pixels(mean, std, channels_last=params.channels_last and params.loader == "resident", device=made_on)

    def loader(part: Part) -> Loader:
        return ResidentLoader(part, pixels, device) if params.loader == "resident" else WorkersLoader(part, pixels, params, device)

    val, test = (None if len(part) == 0 else (loader(part), len(part)) for part in (parts.val, parts.test))
    _, height, width, channels = dataset.images.shape
    shape = ImageShape(channels, height, width, len(dataset.classes))
    return Data(shape, len(parts.train), loader(parts.train), val, test)


def build(params: TrainParams, data: Data, data_dir: Path | None, device: torch.device, seed: int) -> Session:
    """Seed every generator and build what the trial computes with; nothing is compiled or run yet."""
    torch.manual_seed(seed)
    random.seed(seed)  # these two for models of the user's own
    np.random.seed(seed % 2**32)
    model = models.to_layout(models.build(params, data.shape, data_dir), channels_last=params.channels_last).to(device).train()
    forward: Forward = model
    optimizer = optimizers.build(params, weights_of(model))
    n_batches = training_order(data.n_train, params.batch_size, seed=seed, epoch=1, augment="none", size=(1, 1)).n_batches
    schedule = schedules.build(params, optimizer, -(-n_batches // params.grad_accumulation))
    precision = Precision(params, device)
    sums = Sums(device)
    work = Pass(forward, optimizer, precision, sums, params.label_smoothing)
    val, test = (part and Evaluation(*part, params.batch_size, precision, device) for part in (data.val, data.test))
    return Session(params, device, seed, data, model, forward, optimizer, schedule, precision, sums, work, val, test)
