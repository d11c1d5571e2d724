"""Mixed precision: which type the model computes in, and the scaling of gradients that fp16
needs."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Final

import torch

from jobs.training.fields import TrainParams

_TYPES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}


class Precision:
    """Autocast and gradient scaler of one trial."""

    def __init__(self, params: TrainParams, device: torch.device) -> None:
        self._device = device
        self._type = _TYPES.get(params.amp)
        self._keep_casts = not params.cuda_graphs  # a graph must hold the casts of its own weights
        enabled = params.amp == "fp16" and params.grad_scaler is not False
        self.scaler = torch.amp.GradScaler(device.type, enabled=enabled)
        """Does nothing unless it is enabled; its methods may be called in any case."""

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context that the forward pass and the loss belong in."""
        if self._type is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._type, cache_enabled=self._keep_casts)
