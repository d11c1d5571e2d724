"""A trial that is interrupted anywhere ends as the undisturbed one does."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from artifacts.errors import StoreNotWritable
from artifacts.publish import PARTIAL
from jobs.errors import StopRequested
from jobs.training import checkpoint, loop, workload
from jobs.training.errors import UnreadableCheckpoint
from jobs.training.progress import TrainingProgress
from jobs.training.timing import StepTimes
from tests.jobs.training import drawing_models, own_models
from tests.jobs.training.conftest import Train, Trained

SPLIT = (0.7, 0.1, 0.2)
DROPOUT = f"{own_models.NAME}:with_dropout"
EVERYTHING = {
    "model": DROPOUT,
    "split": SPLIT,
    "epochs": 4,
    "augmentation": "crop_flip",
    "grad_accumulation": 2,
    "schedule": "onecycle",
    "train_subset": 320,
}


def stop_after(steps: int) -> Callable[[], bool]:
    """Ask to stop once so many steps were done; the question is asked after each step."""
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= steps

    return stop


def in_pieces(train: Train, steps: int, **params: Any) -> tuple[Trained, int]:
    """Run a trial that is stopped after every so many steps, until an attempt reaches the end; with
    the number of stops."""
    for stops in range(1000):
        try:
            return train(
                _context={"stop": stop_after(steps), "attempt": stops + 1}, **params
            ), stops
        except StopRequested:
            continue
    raise AssertionError("the trial never ended")


@pytest.mark.parametrize(
    "params",
    [
        EVERYTHING,
        EVERYTHING
        | {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine", "warmup_epochs": 1},
        EVERYTHING
        | {"optimizer": "adamw", "fused": False, "schedule": "none", "patience": 1, "lr": 0.1},
        EVERYTHING | {"amp": "fp16", "grad_accumulation": 1, "epochs": 2},
        EVERYTHING | {"loader": "dataloader", "num_workers": 1, "epochs": 2, "split": "official"},
        EVERYTHING
        | {
            "model": "simple_cnn",
            "schedule": "step",
            "lr_step_epochs": 1,
            "eval_every": 3,
            "channels_last": True,
        },
    ],
    ids=["onecycle", "sgd-cosine", "patience", "fp16", "dataloader", "simple_cnn"],
)
def test_stopped_after_every_step_it_ends_as_if_undisturbed(
    train: Train, params: dict[str, Any]
) -> None:
    undisturbed = train(**params)
    resumed, stops = in_pieces(train, 1, **params)
    assert (
        stops == undisturbed.columns["steps"]
    )  # a stop after the last step leaves its evaluation to the next attempt
    assert resumed.result == undisturbed.result
    assert resumed.context.noted["resumed_from_epoch"] == undisturbed.columns["epochs_run"]


@pytest.mark.parametrize("steps", [2, 3, 5])
def test_longer_pieces_end_the_same(train: Train, steps: int) -> None:
    undisturbed = train(**EVERYTHING)
    resumed, stops = in_pieces(train, steps, **EVERYTHING)
    assert stops == undisturbed.columns["steps"] // steps
    assert resumed.result == undisturbed.result


def test_buffers_that_a_state_dict_leaves_out_are_kept(train: Train) -> None:
    params = {"model": f"{own_models.NAME}:Remembering", "epochs": 2}
    undisturbed = train(**params)
    resumed, _ = in_pieces(train, 1, **params)
    assert resumed.result == undisturbed.result


def test_pythons_and_numpys_generators_go_on_where_they_were(train: Train) -> None:
    params = {"model": f"{drawing_models.NAME}:Drawing", "epochs": 2}
    undisturbed = train(**params)
    resumed, _ = in_pieces(train, 1, **params)
    assert resumed.result == undisturbed.result


def test_the_scale_of_fp16_gradients_goes_on_where_it_was(train: Train, tmp_path: Path) -> None:
    params = {"model": f"{drawing_models.NAME}:Steep", "amp": "fp16", "epochs": 5}
    undisturbed = train(**params)
    with pytest.raises(StopRequested):
        train(_context={"stop": stop_after(8)}, **params)
    scale = torch.load(tmp_path / "files" / "checkpoint" / checkpoint.NAME, weights_only=True)[
        "state"
    ]["scaler"]["scale"]
    assert scale < 65536
    resumed, _ = in_pieces(train, 1, **params)
    assert resumed.result == undisturbed.result
    assert undisturbed.columns["train_loss"] < undisturbed.history[0]["train_loss"]


def test_patience_counts_the_evaluations_of_all_attempts(train: Train) -> None:
    params = {
        "split": SPLIT,
        "patience": 2,
        "epochs": 6,
        "lr": 1e-9,
        "optimizer": "sgd",
    }  # no epoch beats the first
    resumed, stops = in_pieces(train, 2, **params)
    assert stops > 3
    assert resumed.columns["epochs_run"] == train(**params).columns["epochs_run"] == 3


def test_ledger_and_step_times_cover_all_attempts(train: Train, tmp_path: Path) -> None:
    with pytest.raises(StopRequested):
        train(_context={"stop": stop_after(2)}, **EVERYTHING)
    path = tmp_path / "files" / "checkpoint" / checkpoint.NAME
    first = torch.load(path, weights_only=True)
    assert len(first["step_seconds"]) == 2
    resumed = train(**EVERYTHING)
    assert resumed.context.phases()["train"] > first["carried"]["phases"]["train"]
    assert sum(row["train_s"] for row in resumed.history) <= resumed.context.phases()["train"]
    assert not list(path.parent.iterdir())  # a finished trial leaves no checkpoint


def test_step_times_of_an_earlier_attempt_come_before_this_ones(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[StepTimes] = []
    monkeypatch.setattr(
        workload, "StepTimes", lambda device: made.append(StepTimes(device)) or made[-1]
    )
    with pytest.raises(StopRequested):
        train(_context={"stop": stop_after(2)}, **EVERYTHING)
    resumed = train(**EVERYTHING)
    first, both = (times.seconds() for times in made)
    assert len(both) == resumed.columns["steps"]
    assert both[:2] == first


def test_a_checkpoint_of_other_data_is_left_behind(train: Train, tmp_path: Path) -> None:
    asked = {
        "dataset": "npz:a.npz",
        "split": (0.5, 0, 0.5),
        "train_subset": None,
        "test_subset": None,
    }

    def replaced(seed: int) -> None:
        images = np.random.default_rng(seed).integers(0, 255, (64, 8, 8), np.uint8)
        np.savez(tmp_path / "a.npz", images=images, labels=np.arange(64) % 2)

    context = {"data_dir": tmp_path}
    replaced(1)
    whole = train(_context={**context, "files": tmp_path / "whole"}, **asked, batch_size=8)
    replaced(0)
    with pytest.raises(StopRequested):
        train(_context={**context, "stop": stop_after(2)}, **asked, batch_size=8)
    replaced(1)
    resumed = train(_context=context, **asked, batch_size=8)
    assert resumed.result == whole.result
    assert "resumed_from_epoch" not in resumed.context.noted
    assert resumed.context.data_digest == whole.context.data_digest


def test_a_checkpoint_is_written_every_ten_minutes(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    written_after: list[int] = []

    def tick() -> bool:
        clock.now += 200
        return False

    def save(folder: Path, trial: str, session: Any, progress: TrainingProgress, *_: Any) -> None:
        written_after.append(progress.steps)

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(checkpoint, "save", save)
    assert train(epochs=4, _context={"stop": tick}).columns["steps"] == 12
    assert written_after == [4, 8, 12]


def test_a_death_without_a_warning_costs_what_came_after_the_last_checkpoint(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = train(**EVERYTHING)
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    asked: list[bool] = []

    def dies() -> bool:
        asked.append(True)
        if len(asked) == 4:
            raise RuntimeError("the node is gone")
        return False

    with pytest.raises(RuntimeError, match="the node is gone"):
        train(_context={"stop": dies}, **EVERYTHING)
    resumed = train(**EVERYTHING)
    assert resumed.result == undisturbed.result
    assert resumed.columns["steps"] > len(asked) > 0
    assert resumed.context.noted["resumed_from_epoch"] >= 1


def test_a_failed_write_leaves_the_checkpoint_before_it(train: Train, tmp_path: Path) -> None:
    with pytest.raises(StopRequested):
        train(_context={"stop": stop_after(1)}, **EVERYTHING)
    path = tmp_path / "files" / "checkpoint" / checkpoint.NAME
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(StoreNotWritable, match=os.strerror(errno.EFBIG)):
            train(_context={"stop": stop_after(1)}, **EVERYTHING)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [checkpoint.NAME]


class Malice:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_nothing_in_a_checkpoint_is_run(train: Train, tmp_path: Path) -> None:
    path = _checkpoint_path(tmp_path)
    torch.save({"format": 1, "trial": "t", "model": Malice(tmp_path / "run")}, path)
    with pytest.raises(UnreadableCheckpoint):
        train()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", pickle.dumps({"format": 1}, protocol=2)],
    ids=["empty", "text", "pickle"],
)
def test_a_damaged_checkpoint_is_named_with_the_fix(
    train: Train, tmp_path: Path, content: bytes
) -> None:
    path = _checkpoint_path(tmp_path)
    path.write_bytes(content)
    with pytest.raises(UnreadableCheckpoint, match=f"{path}.*delete it"):
        train()


def test_another_trials_checkpoint_is_refused(train: Train) -> None:
    with pytest.raises(StopRequested):
        train(_context={"stop": stop_after(1)}, **EVERYTHING)
    with pytest.raises(UnreadableCheckpoint, match="trial t"):
        train(_context={"trial": "another"}, **EVERYTHING)


def test_an_older_formats_checkpoint_is_refused(train: Train, tmp_path: Path) -> None:
    with pytest.raises(StopRequested):
        train(_context={"stop": stop_after(1)})
    path = tmp_path / "files" / "checkpoint" / checkpoint.NAME
    older = torch.load(path, weights_only=True) | {"format": checkpoint.FORMAT - 1}
    torch.save(older, path)
    with pytest.raises(UnreadableCheckpoint, match=f"format {checkpoint.FORMAT - 1}"):
        train()


def test_errors_survive_a_pickle() -> None:
    error = UnreadableCheckpoint("path", "reason")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def _checkpoint_path(tmp_path: Path) -> Path:
    path = tmp_path / "files" / "checkpoint" / checkpoint.NAME
    path.parent.mkdir(parents=True)
    return path


def test_what_a_death_while_writing_left_goes_when_the_trial_is_done(
    train: Train, tmp_path: Path
) -> None:
    folder = tmp_path / "files" / "checkpoint"
    folder.mkdir(parents=True)
    (folder / f".123{PARTIAL}").write_bytes(b"half of it")
    (folder / f".{checkpoint.NAME}.123").write_bytes(b"half of one of an earlier version")
    assert "resumed_from_epoch" not in train().context.noted
    assert not list(folder.iterdir())
