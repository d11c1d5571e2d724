"""What can go wrong in a training run; every message says how to fix it."""

from __future__ import annotations

from jobs.errors import JobsError


class TrainingError(JobsError):
    """Root of the errors of training."""


class BadModel(TrainingError):
    """The user's model factory cannot be found, or does not give a module."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"model '{self.name}': {self.reason}"


class NoDevice(TrainingError):
    """The trial asks for a GPU and this process has none that torch can use."""

    reason: str

    def __str__(self) -> str:
        return (
            f"device cuda cannot be used here: {self.reason}; run on a target with a GPU and a "
            "CUDA build of torch, or set device: cpu"
        )


class NothingToTrainOn(TrainingError):
    """The training part is empty, or too small for the batches asked for."""

    reason: str

    def __str__(self) -> str:
        return f"nothing to train on: {self.reason}"


class UnreadableCheckpoint(TrainingError):
    """A checkpoint is there and cannot be continued from."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the trial cannot continue from the checkpoint {self.path} ({self.reason}): delete "
            "it, and the trial starts from its first epoch"
        )
