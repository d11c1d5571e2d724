"""Models of a user's own that only the whole of a checkpoint brings back:
``tests.jobs.training.drawing_models:factory``."""

from __future__ import annotations

import random

import numpy as np
from torch import Tensor, nn

from jobs.training.shape import ImageShape

NAME = __name__


class Drawing(nn.Module):
    """Draws from python's and numpy's generators in every pass: normal numbers, of which each
    generator keeps every other one."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.last = nn.Linear(shape.channels * shape.height * shape.width, shape.classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(
            images.flatten(1) * random.gauss(1, 0.2) + float(np.random.normal(0, 0.2))
        )
        return logits


class Steep(nn.Module):
    """Has gradients that are too large for fp16 until their scale was halved some times."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.last = nn.Linear(shape.channels * shape.height * shape.width, shape.classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(images.flatten(1)) * 64
        return logits
