"""torch's DataLoader, with its options as they are: images made one by one, in worker processes if
asked for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from jobs.training.augmentation import Draws
from jobs.training.feeding.order import Order, plain_order
from jobs.training.feeding.parts import Part
from jobs.training.fields import TrainParams
from jobs.training.pixels import Pixels, in_layout, layout_of

Request = tuple[int, bool | None, int | None, int | None]
"""Position, flip, top and left: plain numbers, because a tensor sent to a worker costs a
shared-memory file."""


class WorkersLoader:
    """Feeds a part through a DataLoader.

    The order and the augmentation's draws travel to the workers with each request, so that neither
    the number of processes nor their being kept between epochs changes what is fed; it is, bit for
    bit, what `ResidentLoader` feeds.
    """

    def __init__(
        self, part: Part, pixels: Pixels, params: TrainParams, device: torch.device
    ) -> None:
        self._device, self._non_blocking = device, params.non_blocking
        self._layout = layout_of(channels_last=params.channels_last)
        self._requests = _Requests()
        processes: dict[str, Any] = {}
        if params.num_workers:
            processes = {
                "persistent_workers": params.persistent_workers,
                "prefetch_factor": params.prefetch_factor,
            }
        self._loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            _Images(part, pixels),
            batch_sampler=self._requests,
            num_workers=params.num_workers,
            pin_memory=params.pin_memory and device.type == "cuda",
            # its own: an epoch's start must not draw from the stream that dropout draws from
            generator=torch.Generator(),
            **processes,
        )

    def batches(self, order: Order) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the pass, each copied to the device when it is asked for."""
        self._requests.order = order
        for images, labels in self._loader:
            images = images.to(self._device, non_blocking=self._non_blocking)
            yield (
                in_layout(images, self._layout),
                labels.to(self._device, non_blocking=self._non_blocking),
            )

    def close(self) -> None:
        """End worker processes that were kept."""
        self._loader._iterator = (
            None  # the DataLoader has no public way to let go of persistent workers
        )


class _Images(Dataset[tuple[Tensor, Tensor]]):
    """One image and its label, for a position and what augmentation does to it."""

    def __init__(self, part: Part, pixels: Pixels) -> None:
        self._part, self._pixels = part, pixels

    def __getitem__(self, request: Request) -> tuple[Tensor, Tensor]:
        position, *changes = request
        draws = Draws(*(None if change is None else torch.tensor([change]) for change in changes))
        row = self._part.rows[position]
        return self._pixels(self._part.images[row][None], draws)[0], self._part.labels[row]


class _Requests(Sampler[list[Request]]):
    """Spells the pass that is set as ``order`` out for the workers."""

    def __init__(self) -> None:
        self.order = plain_order(0, 1)

    def __iter__(self) -> Iterator[list[Request]]:
        order = self.order
        draws = order.draws or Draws(None, None, None)
        changes = (
            repeat(None) if part is None else part.tolist()
            for part in (draws.flip, draws.top, draws.left)
        )
        requests = list(zip(order.positions.tolist(), *changes, strict=False))
        for first in range(order.start * order.batch_size, len(requests), order.batch_size):
            yield requests[first : first + order.batch_size]

    def __len__(self) -> int:
        return self.order.n_batches - self.order.start
