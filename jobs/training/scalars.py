"""TensorBoard scalars, one point an epoch for each figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class TensorBoard:
    """Writes the figures of each epoch as TensorBoard events.

    Args:
        folder: Of the event files.
        epoch: The first that will be written; points of an earlier attempt from there on are taken
            back.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        from torch.utils.tensorboard import (
            SummaryWriter,  # a second to import, and most trials do without
        )

        self._writer = SummaryWriter(str(folder), purge_step=epoch)

    def epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Add one point for each figure."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, epoch)

    def close(self) -> None:
        """Write what is still in memory."""
        self._writer.close()
