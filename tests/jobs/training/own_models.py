"""Models of a user's own, as a trial finds them: ``tests.jobs.training.own_models:factory``."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jobs.training.shape import ImageShape

NAME = __name__

seen: list[dict[str, Any]] = []
"""What `Watching` was fed."""

kept: list[nn.Module] = []
"""Models that were trained."""


def with_dropout(shape: ImageShape) -> nn.Module:
    """Draws from torch's generator in every step, and has buffers that every step changes."""
    n = shape.channels * shape.height * shape.width
    return nn.Sequential(
        nn.BatchNorm2d(shape.channels),
        nn.Flatten(),
        nn.Linear(n, 24),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(24, shape.classes),
    )


class Remembering(nn.Module):
    """Centers its images on the mean of all that it was trained on, and leaves that out of its
    state_dict."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        n = shape.channels * shape.height * shape.width
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(n), persistent=False)
        self.last = nn.Linear(n, shape.classes)

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.flatten(1)
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(pixels.mean(0), 0.1)
        logits: Tensor = self.last(pixels - self.mean)
        return logits


def linear(shape: ImageShape) -> nn.Module:
    """As little as can be trained."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(shape.channels * shape.height * shape.width, shape.classes)
    )


def keeping(shape: ImageShape) -> nn.Module:
    """`linear`, kept for a look at it afterward."""
    kept.append(linear(shape))
    return kept[-1]


def keeping_with_dropout(shape: ImageShape) -> nn.Module:
    """`with_dropout`, kept for a look at it afterward."""
    kept.append(with_dropout(shape))
    return kept[-1]


def draws() -> list[float]:
    """The next number of each generator that a model may draw from."""
    return [torch.rand(()).item(), random.random(), float(np.random.rand())]


class Gambling(nn.Module):
    """Draws from all of them in every step, and has buffers that every step changes."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.body = with_dropout(shape)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body(images) * (1 + sum(draws()) if self.training else 1)
        return logits


def short(shape: ImageShape) -> nn.Module:
    """Knows no more than half of the classes."""
    return linear(shape._replace(classes=shape.classes // 2))


def no_model(shape: ImageShape) -> str:
    """A mistake."""
    return "a model"


class Watching(nn.Module):
    """Notes what it is fed, and on how many threads."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(shape.channels, 4, 3)
        self.last = nn.Linear(4, shape.classes)

    def forward(self, images: Tensor) -> Tensor:
        channels_last = images.is_contiguous(
            memory_format=torch.channels_last
        ) and self.convolution.weight.is_contiguous(memory_format=torch.channels_last)
        features = self.convolution(images)
        seen.append({"n": len(images), "training": self.training, "channels_last": channels_last})
        seen[-1] |= {
            "type": features.dtype,
            "threads": torch.get_num_threads(),
            "device": images.device.type,
        }
        seen[-1]["strides"] = images.stride()
        seen[-1]["deterministic"] = torch.are_deterministic_algorithms_enabled()
        logits: Tensor = self.last(features.mean((2, 3)))
        return logits
