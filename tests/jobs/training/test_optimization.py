"""Optimizers, schedules and precision are PyTorch's, with the options that the parameters name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, lr_scheduler

from jobs.training import optimizers, schedules
from jobs.training.fields import TrainParams
from jobs.training.precision import Precision
from jobs.training.progress import TrainingProgress

STEPS, EPOCHS = 5, 8
CPU = torch.device("cpu")


def group(**params: Any) -> dict[str, Any]:
    """What the optimizer made of the parameters."""
    options: dict[str, Any] = optimizers.build(
        TrainParams(**params), [nn.Parameter(torch.zeros(1))]
    ).param_groups[0]
    return options


@pytest.mark.parametrize(
    ("params", "option", "value"),
    [
        ({"optimizer": "sgd"}, "momentum", 0),
        ({"optimizer": "sgd", "momentum": 0.9}, "momentum", 0.9),
        ({"optimizer": "adamw"}, "weight_decay", 0.01),
        ({"optimizer": "adamw", "weight_decay": 0.1}, "weight_decay", 0.1),
        ({"optimizer": "adamw"}, "decoupled_weight_decay", True),
        ({"optimizer": "adam"}, "weight_decay", 0),
        ({"lr": 0.5}, "lr", 0.5),
        ({}, "fused", True),
        ({"fused": False}, "fused", None),
        ({"foreach": True}, "foreach", True),
        ({"foreach": True}, "fused", None),
        ({"fused": False, "foreach": False}, "foreach", False),
    ],
    ids=str,
)
def test_options_reach_the_optimizer(params: dict[str, Any], option: str, value: Any) -> None:
    assert group(**params)[option] == value


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("implementation", [{"fused": False}, {"foreach": True}], ids=str)
def test_implementations_agree(optimizer: Any, implementation: dict[str, Any]) -> None:
    def trained(**chosen: Any) -> torch.Tensor:
        torch.manual_seed(0)
        weight = nn.Parameter(torch.randn(50))
        made = optimizers.build(
            TrainParams(optimizer=optimizer, lr=0.1, weight_decay=0.1, **chosen), [weight]
        )
        for _ in range(5):
            made.zero_grad()
            (weight**2).sum().backward()
            made.step()
        return weight.detach()

    assert torch.allclose(trained(), trained(**implementation), atol=1e-6)


def rates(scheduler: lr_scheduler.LRScheduler, optimizer: SGD) -> list[float]:
    """The learning rate of each step."""
    seen = []
    for _ in range(STEPS * EPOCHS):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return seen


def ours(**params: Any) -> list[float]:
    """The learning rates that the parameters give."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    made = schedules.build(TrainParams(lr=0.1, epochs=EPOCHS, **params), optimizer, STEPS)
    assert made is not None
    return rates(made, optimizer)


def test_no_schedule_is_no_scheduler() -> None:
    assert schedules.build(TrainParams(), SGD([nn.Parameter(torch.zeros(1))]), STEPS) is None


def test_cosine_is_pytorchs_over_all_steps() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = rates(lr_scheduler.CosineAnnealingLR(optimizer, STEPS * EPOCHS), optimizer)
    assert ours(schedule="cosine") == pytest.approx(theirs)


def test_step_is_pytorchs_by_epochs() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = rates(lr_scheduler.StepLR(optimizer, 3 * STEPS, 0.5), optimizer)
    assert ours(schedule="step", lr_step_epochs=3, lr_gamma=0.5) == pytest.approx(theirs)


def test_onecycle_is_pytorchs_and_peaks_at_the_learning_rate() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = rates(
        lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=STEPS * EPOCHS), optimizer
    )
    assert ours(schedule="onecycle") == pytest.approx(theirs)
    assert max(theirs) == pytest.approx(0.1, rel=1e-2)


def test_a_warm_up_rises_in_a_line_and_the_schedule_follows() -> None:
    warm = ours(schedule="cosine", warmup_epochs=2)
    assert warm[: 2 * STEPS] == pytest.approx(
        [0.1 * (step + 1) / (2 * STEPS) for step in range(2 * STEPS)]
    )
    assert warm[2 * STEPS] == pytest.approx(0.1)
    assert warm[-1] == pytest.approx(0.1 * (1 + math.cos(math.pi * (1 - 1 / (6 * STEPS)))) / 2)


def test_the_steps_after_a_warm_up_are_counted_from_its_end() -> None:
    warm = ours(schedule="step", warmup_epochs=2, lr_step_epochs=3, lr_gamma=0.5)
    assert warm[2 * STEPS : 5 * STEPS] == pytest.approx([0.1] * (3 * STEPS))
    assert warm[5 * STEPS :] == pytest.approx([0.05] * (3 * STEPS))


def test_patience_counts_evaluations_in_a_row() -> None:
    progress, counts = TrainingProgress(), []
    for epoch, accuracy in enumerate((0.5, 0.4, 0.5, 0.6, 0.5), 1):
        progress.epoch = epoch
        progress.judge(accuracy)
        counts.append(progress.evaluations_since_best)
    assert counts == [0, 1, 2, 0, 1]
    assert (progress.best_accuracy, progress.best_epoch) == (0.6, 4)


@pytest.mark.parametrize(
    ("params", "scales"),
    [
        ({"amp": "fp16"}, True),
        ({"amp": "fp16", "grad_scaler": False}, False),
        ({"amp": "bf16"}, False),
        ({"amp": "off"}, False),
    ],
    ids=str,
)
def test_gradients_are_scaled_with_fp16_unless_told_otherwise(
    params: dict[str, Any], scales: bool
) -> None:
    assert Precision(TrainParams(**params), CPU).scaler.is_enabled() == scales
