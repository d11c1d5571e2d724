"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn, optim

from jobs.training.fields import TrainParams
from jobs.training.idle import is_fused

_CLASSES: dict[str, type[optim.Optimizer]] = {
    "sgd": optim.SGD,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
}


def build(params: TrainParams, weights: Iterable[nn.Parameter]) -> optim.Optimizer:
    """Return the optimizer that the parameters name; what is null is left to PyTorch."""
    options: dict[str, Any] = {"lr": params.lr}
    if params.weight_decay is not None:
        options["weight_decay"] = params.weight_decay
    if params.optimizer == "sgd" and params.momentum is not None:
        options["momentum"] = params.momentum
    if is_fused(params):
        options["fused"] = True
    elif params.foreach is not None:
        options["foreach"] = params.foreach
    return _CLASSES[params.optimizer](weights, **options)
