"""The data set as bytes on the device; batches are gathered, augmented and normalized there,
without waiting for it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from jobs.training.feeding.order import Order
from jobs.training.feeding.parts import Part
from jobs.training.pixels import Pixels


class ResidentLoader:
    """Feeds a part from the device's memory.

    On a CPU the images stay where they are mapped, one copy in the page cache for all workers of a
    machine; on a GPU the part's own images are copied there once.

    Args:
        block_bytes: Batches are made together as long as they fit in this; one by one, if it is
            less than one.
    """

    def __init__(
        self, part: Part, pixels: Pixels, device: torch.device, block_bytes: int = 0
    ) -> None:
        self._pixels, self._device, self._block_bytes = pixels, device, block_bytes
        if device.type == "cpu":
            self._images, self._labels, self._rows = part.images, part.labels, part.rows
        else:
            self._images = part.images[part.rows].to(device)
            self._labels = part.labels[part.rows].to(device)
            self._rows = torch.arange(len(part.rows), device=device)
        self._image_bytes = 4 * part.images[0].numel()

    def batches(self, order: Order) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the pass; the order goes to the device once, at its beginning."""
        size = order.batch_size
        rows = self._rows.index_select(0, order.positions.to(self._device))
        labels = self._labels.index_select(0, rows)
        draws = None if order.draws is None else order.draws.to(self._device)
        block = size * max(1, self._block_bytes // (size * self._image_bytes))
        for first in range(order.start * size, len(rows), block):
            span = slice(first, first + block)
            images = self._pixels(
                self._images.index_select(0, rows[span]), None if draws is None else draws[span]
            )
            yield from zip(torch.split(images, size), torch.split(labels[span], size), strict=True)

    def close(self) -> None:
        """Do nothing: nothing was started."""
