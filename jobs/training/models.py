"""Models by name: the small net of the first study, torchvision's ResNets, or the user's own
factory."""

from __future__ import annotations

import importlib
from pathlib import Path

import torch
from torch import Tensor, nn

from jobs.training.errors import BadModel
from jobs.training.fields import TrainParams
from jobs.training.pooling import MaxPool2x2
from jobs.training.shape import ImageShape


def build(params: TrainParams, shape: ImageShape, data_dir: Path | None) -> nn.Module:
    """Return the model that the parameters name, newly initialized from torch's global generator,
    on the CPU.

    Raises:
        BadModel: The user's factory cannot be imported or returns no module.
        WeightsMissing: ``pretrained``, and the weights are not below ``data_dir`` or are not the
            published ones.
    """
    if params.model == "simple_cnn":
        return SimpleCNN(shape)
    if ":" in params.model:
        return _own(params.model, shape)
    from jobs.training import resnets  # imports torchvision, which the others do without

    return resnets.build(params.model, shape, params.stem, data_dir, pretrained=params.pretrained)


class SimpleCNN(nn.Module):
    """Two convolutions and three linear layers, 62,006 weights for (3, 32, 32) and ten classes.

    It is made for 32x32. Images a little smaller (28x28) are padded with black by its first
    convolution; all others are scaled.
    """

    SIDE = 32

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        padding = _even_padding(shape.height, self.SIDE), _even_padding(shape.width, self.SIDE)
        fits = None not in padding
        self.scale = nn.Identity() if fits else nn.Upsample((self.SIDE, self.SIDE), mode="bilinear")
        self.features = nn.Sequential(
            nn.Conv2d(
                shape.channels, 6, 5, padding=(padding[0] or 0, padding[1] or 0) if fits else 0
            ),
            MaxPool2x2(),
            nn.ReLU(),  # after the pooling: the same numbers, on a quarter of them
            nn.Conv2d(6, 16, 5),
            MaxPool2x2(),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, shape.classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores of shape (n, classes), unnormalized, for images of shape (n, channels,
        height, width)."""
        logits: Tensor = self.classifier(self.features(self.scale(images)))
        return logits


def normalizes_batches(model: nn.Module) -> bool:
    """Return whether the model has batch normalization, which has no variance over a single
    image."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def _even_padding(size: int, side: int) -> int | None:
    """Pixels to add on both edges so that ``size`` becomes ``side``; None where scaling is the
    better way."""
    missing = side - size
    return missing // 2 if 0 <= missing <= side // 8 and missing % 2 == 0 else None


def _own(name: str, shape: ImageShape) -> nn.Module:
    """Call the user's ``package.module:factory`` with an `ImageShape`."""
    module, _, path = name.partition(":")
    try:
        factory = importlib.import_module(module)
        for part in path.split("."):
            factory = getattr(factory, part)
    except (ImportError, AttributeError) as error:
        raise BadModel(
            name, f"{error}; the module must be importable where the trial runs"
        ) from error
    model = factory(shape)  # type: ignore[operator]
    if not isinstance(model, nn.Module):
        raise BadModel(name, f"the factory returned {type(model).__name__}, not a torch.nn.Module")
    return model


def to_layout(model: nn.Module, *, channels_last: bool) -> nn.Module:
    """Return the model with its convolution weights in the memory order that the images will
    have."""
    return model.to(memory_format=torch.channels_last) if channels_last else model  # type: ignore[call-overload]
