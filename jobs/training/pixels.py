"""From stored bytes to what a model is fed: augmented, scaled and normalized, in the memory order
it computes in."""

from __future__ import annotations

import torch
from torch import Tensor

from jobs.data.dataset import Dataset
from jobs.data.splits import Indices
from jobs.training import augmentation
from jobs.training.augmentation import Draws


def layout_of(*, channels_last: bool) -> torch.memory_format:
    """Return the memory order of the images that a model is fed."""
    return torch.channels_last if channels_last else torch.contiguous_format


def in_layout(images: Tensor, layout: torch.memory_format) -> Tensor:
    """Return the images with the strides that new ones of this order have.

    `Tensor.contiguous` leaves those of a single channel as they are, which is either order to it
    and not to a compiled program.
    """
    if images.stride() == torch.empty(images.shape, device="meta", memory_format=layout).stride():
        return images
    return torch.empty_like(images, memory_format=layout).copy_(images)


class Pixels:
    """Turns uint8 images of shape (n, height, width, channels) into float32 of shape (n, channels,
    height, width).

    Args:
        mean, std: Per channel, of shape (channels,), for pixels scaled to [0, 1].
        channels_last: Memory order of the result.
        device: Where the images are.
    """

    def __init__(
        self, mean: Tensor, std: Tensor, *, channels_last: bool, device: torch.device
    ) -> None:
        self._scale, self._shift = (
            figure.to(device, torch.float32) for figure in (1 / (255 * std), -mean / std)
        )
        self._channels_last = channels_last

    def __call__(self, images: Tensor, draws: Draws | None) -> Tensor:
        """The batch; ``draws`` has one entry for each image, or is None."""
        planes = images.permute(0, 3, 1, 2)
        if draws is not None:
            planes = augmentation.apply(planes, draws)
        layout = layout_of(channels_last=self._channels_last)
        floats = torch.empty(
            planes.shape, dtype=torch.float32, device=planes.device, memory_format=layout
        )
        floats.copy_(planes)  # once: type and memory order in one pass
        if not self._channels_last:
            return floats.mul_(self._scale[:, None, None]).add_(self._shift[:, None, None])
        n, channels, height, width = planes.shape
        rows = floats.permute(0, 2, 3, 1).view(
            n, height, width * channels
        )  # a row at a time, not a pixel's few channels
        rows.mul_(self._scale.repeat(width)).add_(self._shift.repeat(width))
        return floats


def statistics(normalization: str, dataset: Dataset, train: Indices) -> tuple[Tensor, Tensor]:
    """Return (mean, std) of each channel, float64, that the images are normalized with; taken from
    the training part alone."""
    if normalization == "dataset":
        measured = dataset.statistics(train)
        return torch.from_numpy(measured.mean), torch.from_numpy(measured.std)
    channels = dataset.images.shape[3]
    mean, std = (0.5, 0.5) if normalization == "half" else (0.0, 1.0)
    return torch.full((channels,), mean, dtype=torch.float64), torch.full(
        (channels,), std, dtype=torch.float64
    )
