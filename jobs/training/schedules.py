"""Learning-rate schedules, advanced once per optimizer step."""

from __future__ import annotations

import math
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from jobs.training.fields import TrainParams


def build(params: TrainParams, optimizer: Optimizer, steps_per_epoch: int) -> LRScheduler | None:
    """Return the schedule that the parameters name; None where the learning rate never changes.

    Args:
        steps_per_epoch: Optimizer steps in one epoch, at least 1.
    """
    if params.schedule == "onecycle":
        return OneCycleLR(
            optimizer, max_lr=params.lr, total_steps=max(2, params.epochs * steps_per_epoch)
        )
    if params.schedule == "none" and not params.warmup_epochs:
        return None
    return LambdaLR(optimizer, partial(factor, params, steps_per_epoch))


def factor(params: TrainParams, steps_per_epoch: int, step: int) -> float:
    """Return what the learning rate is multiplied with in optimizer step ``step``, counted from 0.

    A warm-up rises in a line to 1 and ends with its last step; the schedule proper fills the epochs
    after it.
    """
    warm = params.warmup_epochs * steps_per_epoch
    if step < warm:
        return (step + 1) / warm
    if params.schedule == "cosine":
        done = (step - warm) / max(1, params.epochs * steps_per_epoch - warm)
        return (1 + math.cos(math.pi * done)) / 2
    if params.schedule == "step":
        return float(
            params.lr_gamma ** ((step - warm) // (params.lr_step_epochs * steps_per_epoch))
        )
    return 1.0
