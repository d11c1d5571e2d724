"""Checkpoints: everything a trial needs to go on as if it had not been interrupted.

The data order and the augmentation are functions of seed and epoch, so the position in them is two
numbers. A checkpoint is published whole or not at all, as a record is. It is loaded with
``weights_only``, so it can hold tensors and plain values and can run nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from artifacts.publish import replace_by
from jobs.training import seeds
from jobs.training.errors import UnreadableCheckpoint
from jobs.training.progress import TrainingProgress
from jobs.training.session import Session
from jobs.training.timing import StepTimes

FORMAT: Final = 2
NAME: Final = "checkpoint.pt"


def state(session: Session) -> dict[str, Any]:
    """Return everything in a session that a step changes, as tensors and plain values; the tensors
    are the session's own."""
    weights = session.model.state_dict()
    return {
        "model": weights,
        "other buffers": {
            name: buffer for name, buffer in session.model.named_buffers() if name not in weights
        },
        "optimizer": session.optimizer.state_dict(),
        "schedule": session.schedule and session.schedule.state_dict(),
        "scaler": session.precision.scaler.state_dict(),
        "random": seeds.states(session.device),
        "sums": session.sums.read(),
    }


def restore(session: Session, state: Mapping[str, Any]) -> None:
    """Bring a session to where `state` was taken."""
    session.model.load_state_dict(state["model"])
    with torch.no_grad():
        for name, value in state["other buffers"].items():
            session.model.get_buffer(name).copy_(value)
    session.optimizer.load_state_dict(state["optimizer"])
    if session.schedule is not None:
        session.schedule.load_state_dict(state["schedule"])
    session.precision.scaler.load_state_dict(state["scaler"])
    session.sums.set(state["sums"])
    seeds.restore(state["random"], session.device)


def save(
    folder: Path,
    trial: str,
    session: Session,
    progress: TrainingProgress,
    times: StepTimes,
    carried: dict[str, Any],
) -> Path:
    """Write the checkpoint, replacing the one before.

    Args:
        trial: Its id; another trial will not go on from it.
        carried: Plain values that the caller wants back, such as ledger and history.

    Raises:
        StoreFull, StoreNotWritable: The checkpoint before is as it was.
    """
    content = {
        "format": FORMAT,
        "trial": trial,
        "data": session.data.digest,
        "state": state(session),
        "progress": progress.as_plain(),
        "step_seconds": torch.tensor(times.seconds(), dtype=torch.float32),
        "carried": carried,
    }
    path = folder / NAME
    replace_by(path, partial(torch.save, content))
    return path


def load(
    folder: Path, trial: str, session: Session, times: StepTimes
) -> tuple[TrainingProgress, dict[str, Any]] | None:
    """Bring the session to where the checkpoint was written; None if there is none, or if it was
    trained on other data.

    Returns:
        The progress, and what was carried.

    Raises:
        UnreadableCheckpoint: It is there, and is damaged, another trial's, or of another version.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT or content["trial"] != trial:
            raise ValueError(f"it is of format {content['format']} and trial {content['trial']}")
        if content.get("data", session.data.digest) != session.data.digest:
            return None
        restore(session, content["state"])
        times.carry(content["step_seconds"].tolist())
        return TrainingProgress.from_plain(content["progress"]), content["carried"]
    except pickle.UnpicklingError:  # its message advises to load the file in the unsafe way
        raise UnreadableCheckpoint(
            str(path), "it is damaged, or holds more than tensors and plain values"
        ) from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UnreadableCheckpoint(str(path), f"{type(error).__name__}: {error}") from error


def discard(folder: Path) -> None:
    """Remove the checkpoint of a trial that is done, and what a death while one was written has
    left."""
    (folder / NAME).unlink(missing_ok=True)
    for aside in folder.glob(".*"):
        aside.unlink(missing_ok=True)
