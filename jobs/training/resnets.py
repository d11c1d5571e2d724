"""torchvision's ResNets, for small images as for ImageNet's, with one or three channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from jobs.compat import torchvision
from jobs.data.weights import require_weights
from jobs.training.shape import ImageShape

LAYERS = {
    "resnet10": (1, 1, 1, 1),
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
}
_NO_WEIGHTS_OF_STEM_OR_HEAD = ("conv1.weight", "fc.weight", "fc.bias")


def build(
    name: str, shape: ImageShape, stem: str, data_dir: Path | None, *, pretrained: bool
) -> nn.Module:
    """Return a ResNet, newly initialized, with the published ImageNet weights loaded over it if
    ``pretrained``.

    The last layer always starts anew; so does the first with ``stem="cifar"``, which ImageNet's 7x7
    weights do not fit.

    Args:
        name: One of `LAYERS`.
        stem: ``cifar`` (3x3 convolution, no pooling) or ``imagenet`` (7x7 with stride 2, then
            pooling).

    Raises:
        WeightsMissing: ``pretrained``, and the weights are not below ``data_dir`` or are not the
            published ones.
    """
    resnet = torchvision().models.resnet
    block = resnet.Bottleneck if name == "resnet50" else resnet.BasicBlock
    model: nn.Module = resnet.ResNet(block, list(LAYERS[name]), num_classes=shape.classes)
    if stem == "cifar":
        model.conv1 = _first_convolution(shape.channels, kernel=3, stride=1)
        model.maxpool = nn.Identity()
    elif shape.channels != 3:
        model.conv1 = _first_convolution(shape.channels, kernel=7, stride=2)
    if pretrained:
        _load_published(model, name, data_dir, shape.channels, stem)
    return model


def _load_published(
    model: nn.Module, name: str, data_dir: Path | None, channels: int, stem: str
) -> None:
    """Load the weights published for a ResNet into all layers that they fit."""
    weights: dict[str, Any] = torch.load(
        require_weights(name, data_dir), map_location="cpu", weights_only=True
    )
    first = weights["conv1.weight"]
    weights = {
        name: value for name, value in weights.items() if name not in _NO_WEIGHTS_OF_STEM_OR_HEAD
    }
    if stem == "imagenet":
        # A gray image is one whose three channels are equal: summing over them gives it the same
        # responses.
        weights["conv1.weight"] = (
            first
            if channels == 3
            else first.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels
        )
    model.load_state_dict(weights, strict=False)


def _first_convolution(channels: int, *, kernel: int, stride: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, 64, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(
        convolution.weight, mode="fan_out", nonlinearity="relu"
    )  # as torchvision does
    return convolution
