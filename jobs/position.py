"""Where a trial that runs is: for whoever watches it, and for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_LOSSES = ("train_loss", "val_loss", "test_loss", "loss")
_ACCURACIES = ("val_accuracy", "test_accuracy", "train_accuracy", "accuracy")


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """One look at a trial; None for what it has not told."""

    phase: str | None = None
    """The ledger's phase that runs."""
    epoch: float | None = None
    """Epochs that are done, with the share of the one under way where it is known; or the last
    number that the workload reported."""
    loss: float | None = None
    accuracy: float | None = None
    """The latest, of validation where there is one, as a fraction."""
    samples_per_s: float | None = None


def position(phase: str | None, history: Sequence[Mapping[str, Any]]) -> Position:
    """Return what the last entry of a history tells.

    Args:
        phase: That runs.
        history: As ``Context.report`` keeps it.
    """
    if not history:
        return Position(phase)
    last = history[-1]
    told = {**last.get("extra", {}), **last}
    return Position(
        phase,
        last["epoch"],
        _first(told, _LOSSES),
        _first(told, _ACCURACIES),
        told.get("samples_per_s"),
    )


def _first(told: Mapping[str, Any], names: Sequence[str]) -> float | None:
    return next((told[name] for name in names if told.get(name) is not None), None)
