"""How far a trial has come: what a checkpoint keeps beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TrainingProgress:
    """Position in the data order, and the figures so far.

    Attributes:
        epoch: The one under way, counted from 1.
        batch: Batches of it that are done.
        steps: Optimizer steps of all epochs.
        images: Images trained on, of all epochs.
        lr: Learning rate of the last step.
        epoch_s: Training seconds of the epoch under way.
        train_s: Training seconds of the epochs before it.
        best_accuracy, best_epoch: On the validation part; None before the first evaluation, or
            without such a part.
        evaluations_since_best: In a row.
        scores: The last of each accuracy and loss, by the record's column.
    """

    epoch: int = 1
    batch: int = 0
    steps: int = 0
    images: int = 0
    lr: float = 0.0
    epoch_s: float = 0.0
    train_s: float = 0.0
    best_accuracy: float | None = None
    best_epoch: int | None = None
    evaluations_since_best: int = 0
    scores: dict[str, float] = field(default_factory=dict)

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
