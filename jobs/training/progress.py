"""How far a trial has come: what a checkpoint keeps beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TrainingProgress:
    """Position in the data order, and the figures so far."""

    epoch: int = 1
    """The one under way, counted from 1."""
    batch: int = 0
    """Batches of it that are done."""
    steps: int = 0
    """Optimizer steps of all epochs."""
    images: int = 0
    """Images trained on, of all epochs."""
    lr: float = 0.0
    """Learning rate of the last step."""
    epoch_s: float = 0.0
    """Training seconds of the epoch under way."""
    train_s: float = 0.0
    """Training seconds of the epochs before it."""
    best_accuracy: float | None = None
    """On the validation part; None before the first evaluation, or without such a part."""
    best_epoch: int | None = None
    """That reached it."""
    evaluations_since_best: int = 0
    """In a row."""
    scores: dict[str, float] = field(default_factory=dict)
    """The last of each accuracy and loss, by the record's column."""

    def judge(self, val_accuracy: float) -> None:
        """Compare an evaluation of this epoch with the best before it."""
        if self.best_accuracy is None or val_accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch, self.evaluations_since_best = (
                val_accuracy,
                self.epoch,
                0,
            )
        else:
            self.evaluations_since_best += 1

    def as_plain(self) -> dict[str, Any]:
        """Return it as a checkpoint holds it."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> TrainingProgress:
        """Return what a checkpoint holds."""
        return cls(**plain)
