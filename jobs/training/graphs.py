"""Forward and backward pass as one CUDA graph: small nets spend their time launching kernels, and a
graph is one launch."""

from __future__ import annotations

import torch
from torch import Tensor

from jobs.training.steps import Pass

PASSES_BEFORE_CAPTURE = 3
"""As torch's documentation advises: what is allocated or chosen lazily must be there before the
capture."""


class GraphedPass:
    """Replays the captured pass for full batches; an odd one, at the end of an epoch, goes through
    the model as usual.

    The captured gradients stay where they are for good: a replay writes them anew, so they are
    never cleared.

    Args:
        work: The pass to capture, over weights that never move.
        images, labels: A full batch; these tensors are kept, and each batch is copied into them.
    """

    def __init__(self, work: Pass, images: Tensor, labels: Tensor) -> None:
        self._work, self._images, self._labels = work, images, labels
        # One stream for both: cuBLAS keeps a workspace for each that it has seen, and the graph's
        # end gives only its own back.
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(PASSES_BEFORE_CAPTURE):
                work(images, labels)
        torch.cuda.current_stream().wait_stream(aside)
        work.clear()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=aside):
            work.run(images, labels)
        self._gradients = [weight.grad for weight in work.weights]

    def __call__(
        self, images: Tensor, labels: Tensor, *, first: bool = True, share: float = 1.0
    ) -> None:
        """As `Pass`; every batch is an optimizer step of its own."""
        if images.shape == self._images.shape:
            self._images.copy_(images)
            self._labels.copy_(labels)
            self._graph.replay()
            return
        for weight, gradient in zip(self._work.weights, self._gradients, strict=True):
            weight.grad = gradient
            if gradient is not None:
                gradient.zero_()
        self._work.run(images, labels)
