"""What a model is fed."""

from __future__ import annotations

from typing import NamedTuple


class ImageShape(NamedTuple):
    """What a model is fed: images of shape (channels, height, width), labels in [0, classes)."""

    channels: int
    height: int
    width: int
    classes: int
