"""2x2 max pooling that is quick on a CPU.

PyTorch's own walks over the windows of a plain (not channels-last) image one number at a time, and
takes a quarter of a small net's training step. Here rows are compared with rows, then columns with
columns, by kernels that use the whole vector unit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaxPool2x2(nn.Module):
    """The largest of each 2x2 window, as ``nn.MaxPool2d(2)``; where two are equally large, the
    gradient may go to the other one."""

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, channels, height, width) to (n, channels, height // 2, width // 2)."""
        even = images.shape[2] % 2 == images.shape[3] % 2 == 0
        if even and not torch.compiler.is_compiling() and self._is_better(images):
            pooled: Tensor = _RowsThenColumns.apply(images)  # type: ignore[no-untyped-call]
            return pooled
        return functional.max_pool2d(images, 2)

    @staticmethod
    def _is_better(images: Tensor) -> bool:
        if images.device.type == "cpu":
            return images.is_contiguous()
        return (
            torch.are_deterministic_algorithms_enabled()
        )  # PyTorch's own adds its gradients up in any order on a GPU


class _RowsThenColumns(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        rows = torch.maximum(images[:, :, ::2], images[:, :, 1::2])
        pooled = torch.maximum(rows[..., ::2], rows[..., 1::2])
        ctx.save_for_backward(images, rows, pooled)
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        images, rows, pooled = ctx.saved_tensors
        (gradient,) = gradients
        to_rows = torch.empty_like(rows)
        left, right = to_rows[..., ::2], to_rows[..., 1::2]
        torch.mul(gradient, rows[..., ::2] == pooled, out=left)
        torch.sub(gradient, left, out=right)  # all of it went left, or nothing did
        to_images = torch.empty_like(images)
        upper, lower = to_images[:, :, ::2], to_images[:, :, 1::2]
        torch.mul(to_rows, images[:, :, ::2] == rows, out=upper)
        torch.sub(to_rows, upper, out=lower)
        return to_images
