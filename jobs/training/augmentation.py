"""Random changes of the training images, drawn for a whole epoch at once and applied on the
device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MARGIN = 8
"""A crop moves an image by up to 1/8 of its size."""


@dataclass(frozen=True)
class Draws:
    """What happens to each of n images."""

    flip: Tensor | None
    """bool of shape (n,), or None if no image is flipped."""
    top: Tensor | None
    """int64 of shape (n,): the row where the crop begins in the image with its border, or None if
    none is cropped."""
    left: Tensor | None
    """Its column, likewise."""

    def __getitem__(self, span: slice) -> Draws:
        return Draws(
            *(None if part is None else part[span] for part in (self.flip, self.top, self.left))
        )

    def to(self, device: torch.device) -> Draws:
        """Return the same draws on another device."""
        return Draws(
            *(
                None if part is None else part.to(device)
                for part in (self.flip, self.top, self.left)
            )
        )


def margins(height: int, width: int) -> tuple[int, int]:
    """Border, in pixels above and below, and left and right, that a crop may reach into."""
    return height // MARGIN, width // MARGIN


def draw(
    augmentation: str, n: int, height: int, width: int, generator: torch.Generator
) -> Draws | None:
    """Draw for n images; None if there is nothing to draw."""
    if augmentation == "none":
        return None
    flip = torch.rand(n, generator=generator) < 0.5 if "flip" in augmentation else None
    if "crop" not in augmentation:
        return Draws(flip, None, None)
    top, left = (
        torch.randint(0, 2 * margin + 1, (n,), generator=generator)
        for margin in margins(height, width)
    )
    return Draws(flip, top, left)


def apply(images: Tensor, draws: Draws) -> Tensor:
    """Crop, then flip.

    Args:
        images: Of shape (n, channels, height, width), of any type; the border around them is 0.
        draws: One for each image.
    """
    if draws.top is not None and draws.left is not None:
        n, _, height, width = images.shape
        vertical, horizontal = margins(height, width)
        windows = (
            functional.pad(images, (horizontal, horizontal, vertical, vertical))
            .unfold(2, height, 1)
            .unfold(3, width, 1)
        )
        images = windows[torch.arange(n, device=images.device), :, draws.top, draws.left]
    if draws.flip is not None:
        images = torch.where(draws.flip[:, None, None, None], images.flip(-1), images)
    return images
