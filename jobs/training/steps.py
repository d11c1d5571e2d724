"""One batch through the model and back, and the sums that an epoch's figures are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from jobs.training.precision import Precision

Forward = Callable[[Tensor], Tensor]


class Work(Protocol):
    """Takes a batch forward and back."""

    def __call__(
        self, images: Tensor, labels: Tensor, *, first: bool = True, share: float = 1.0
    ) -> None:
        """Leave the batch's gradients in the weights, and add its part of the sums.

        Args:
            first: Whether gradients are begun anew, or added to those that are there.
            share: Of the optimizer step; the shares of its batches add up to 1.
        """


class Sums:
    """Loss and right answers added up on the device; reading them is the epoch's one
    synchronization."""

    def __init__(self, device: torch.device) -> None:
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._right = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch, given its mean loss."""
        self._loss.add_(loss.detach(), alpha=len(labels))
        self._right.add_((logits.detach().argmax(1) == labels).sum())

    def read(self) -> dict[str, float]:
        """Return the sums themselves, ``loss`` and ``right``."""
        return {"loss": self._loss.item(), "right": self._right.item()}

    def set(self, sums: Mapping[str, float]) -> None:
        """Go on from these sums; from zero with an empty mapping."""
        self._loss.fill_(sums.get("loss", 0.0))
        self._right.fill_(int(sums.get("right", 0)))

    def means(self, n: int) -> tuple[float, float]:
        """Return (loss, accuracy) over n images; not a number if there are none."""
        sums = self.read()
        return (sums["loss"] / n, sums["right"] / n) if n else (float("nan"), float("nan"))


class Pass:
    """Forward and backward pass of one batch; the gradients are left in the weights.

    Args:
        forward: The model, or what a compiler made of it.
        optimizer: Whose gradients are cleared before the first batch of a step.
        keep_gradients: Clear them by writing zeros, so that they stay where they are in memory.
    """

    def __init__(
        self,
        forward: Forward,
        optimizer: Optimizer,
        precision: Precision,
        sums: Sums,
        *,
        label_smoothing: float = 0.0,
        keep_gradients: bool = False,
    ) -> None:
        self._forward, self._optimizer, self._precision, self._sums = (
            forward,
            optimizer,
            precision,
            sums,
        )
        self._label_smoothing, self._keep_gradients = label_smoothing, keep_gradients
        self.weights: list[Tensor] = [
            weight for group in optimizer.param_groups for weight in group["params"]
        ]
        """What the optimizer trains."""
        if keep_gradients:
            for weight in self.weights:
                weight.grad = torch.zeros_like(weight)

    def __call__(
        self, images: Tensor, labels: Tensor, *, first: bool = True, share: float = 1.0
    ) -> None:
        """As `Work` says."""
        if first:
            self.clear()
        self.run(images, labels, share)

    def clear(self) -> None:
        """Begin the gradients anew."""
        self._optimizer.zero_grad(set_to_none=not self._keep_gradients)

    def run(self, images: Tensor, labels: Tensor, share: float = 1.0) -> None:
        """Run the pass alone; gradients are added to those that are there."""
        with self._precision.autocast():
            logits = self._forward(images)
            loss = functional.cross_entropy(logits, labels, label_smoothing=self._label_smoothing)
        self._precision.scaler.scale(loss if share == 1.0 else loss * share).backward()  # type: ignore[no-untyped-call]
        self._sums.add(loss, logits, labels)
