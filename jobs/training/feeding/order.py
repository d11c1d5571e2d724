"""In what order, and how changed, images are fed: decided for a whole epoch before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from jobs.training import augmentation, seeds
from jobs.training.augmentation import Draws


@dataclass(frozen=True)
class Order:
    """The batches of one pass over a part."""

    positions: Tensor
    """int64 of shape (n,), which image of the part comes when."""
    batch_size: int
    """Images a batch; the last may have fewer."""
    draws: Draws | None = None
    """What augmentation does to each, in the same order."""
    start: int = 0
    """Batches at the beginning that are left out, because an earlier attempt has been through
    them."""

    @property
    def n_batches(self) -> int:
        """Return the batches of the whole pass, those left out included."""
        return -(-len(self.positions) // self.batch_size)


class Loader(Protocol):
    """Feeds one part of a data set."""

    def batches(self, order: Order) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the images of shape (n, channels, height, width), float32, and labels of shape
        (n,), both on the device."""

    def close(self) -> None:
        """End what the loader started."""


def training_order(
    n: int,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    augment: str,
    size: tuple[int, int],
    start: int = 0,
    pairs: bool = False,
) -> Order:
    """Return a seeded permutation of the part; a function of its arguments alone, on every machine.

    Args:
        n: Images in the part.
        size: Their (height, width).
        pairs: A last batch of a single image is left out.
    """
    positions = torch.randperm(n, generator=seeds.stream(seed, "order", epoch))[
        : n_fed(n, batch_size, pairs)
    ]
    draws = augmentation.draw(
        augment, len(positions), *size, seeds.stream(seed, "augmentation", epoch)
    )
    return Order(positions, batch_size, draws, start)


def n_batches_of(n: int, batch_size: int, pairs: bool) -> int:
    """Return the batches of one pass over a training part of n images."""
    return -(-n_fed(n, batch_size, pairs) // batch_size)


def n_fed(n: int, batch_size: int, pairs: bool) -> int:
    """Return the images of one pass over a training part of n.

    Args:
        pairs: A last batch of a single image is left out.
    """
    return n - 1 if pairs and n > batch_size > 1 and n % batch_size == 1 else n


def plain_order(n: int, batch_size: int) -> Order:
    """Return all images of the part as they lie."""
    return Order(torch.arange(n), batch_size)
