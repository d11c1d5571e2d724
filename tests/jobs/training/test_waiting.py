"""How often the host waits for the device: on torch's ``meta`` device, which has no values, every
question for one is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from jobs.context import Context
from jobs.training.loop import Loop
from jobs.training.params import TrainParams
from jobs.training.progress import TrainingProgress
from jobs.training.session import build, open_data
from jobs.training.steps import Sums
from jobs.training.timing import StepTimes

META = torch.device("meta")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"augmentation": "crop_flip", "channels_last": True},
        {"model": "resnet10", "label_smoothing": 0.1},
        {"optimizer": "sgd", "momentum": 0.9, "schedule": "onecycle", "grad_accumulation": 2},
        {"loader": "dataloader", "non_blocking": True},
    ],
    ids=str,
)
def test_the_device_is_read_once_an_epoch_and_once_an_evaluation(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {
        "dataset": "synthetic:3x32x32x10x300",
        "split": [0.6, 0.2, 0.2],
        "epochs": 2,
        "fused": False,
    }
    asked = msgspec.convert(small | params, TrainParams)
    reads: list[Sums] = []
    monkeypatch.setattr(Sums, "read", lambda sums: reads.append(sums) or {"loss": 0.0, "right": 0})
    session = build(asked, open_data(asked, None, META), None, META, 0)
    assert session.val is not None
    progress = TrainingProgress()
    Loop(session, Context(trial="t", files=tmp_path), progress, StepTimes(META)).run()
    assert progress.steps == 2 * session.steps_per_epoch > 2
    assert len(reads) == 2 + 2 + 1  # each epoch, each validation, the test


def test_a_question_in_between_would_be_an_error() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        torch.zeros((), device=META).item()
