"""Loss and accuracy of a part, read from the device once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from jobs.training.feeding.order import Loader, plain_order
from jobs.training.precision import Precision
from jobs.training.steps import Sums

AT_ONCE = 4
"""Evaluation takes so many training batches at a time: without gradients it still needs less memory
than training does."""


class Score(NamedTuple):
    """Mean cross-entropy, without label smoothing, and accuracy in [0, 1]."""

    loss: float
    accuracy: float


class Evaluation:
    """Scores a model on one part.

    Args:
        n: Images in the part, at least 1.
        batch_size: The trial's own.
    """

    def __init__(
        self, loader: Loader, n: int, batch_size: int, precision: Precision, device: torch.device
    ) -> None:
        self._loader, self._n, self._precision = loader, n, precision
        self._order = plain_order(n, batch_size * AT_ONCE)
        self._sums = Sums(device)

    @property
    def batch_sizes(self) -> set[int]:
        """Return the sizes of the batches that the model will be given."""
        return {
            min(self._order.batch_size, self._n),
            self._n % self._order.batch_size or self._order.batch_size,
        }

    def __call__(self, model: nn.Module) -> Score:
        """The score; the model is left in training mode."""
        model.eval()
        self._sums.set({})
        with torch.no_grad():
            for images, labels in self._loader.batches(self._order):
                with self._precision.autocast():
                    logits = model(images)
                self._sums.add(functional.cross_entropy(logits.float(), labels), logits, labels)
        model.train()
        return Score(*self._sums.means(self._n))
