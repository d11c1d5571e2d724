"""Each parameter changes what it says; a trial that ignored it would fail its test."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._C._autograd import DeviceType

from jobs.context import Context
from jobs.training import checkpoint, loop
from jobs.training.errors import BadModel, NoDevice, NothingToTrainOn
from jobs.training.profiling import write_operators
from tests.jobs.training import own_models
from tests.jobs.training.conftest import Train

SPLIT = (0.7, 0.1, 0.2)
WATCHING = f"{own_models.NAME}:Watching"
DROPOUT = f"{own_models.NAME}:with_dropout"
LINEAR = f"{own_models.NAME}:linear"


def test_the_same_trial_computes_the_same_bit_for_bit(train: Train) -> None:
    first, second = (train(model=DROPOUT, augmentation="crop_flip", epochs=2) for _ in range(2))
    assert first.result == second.result


@pytest.mark.parametrize(
    ("other", "beside"),
    [
        ({"dataset": "synthetic:1x8x8x10x400"}, {}),
        ({"split": SPLIT}, {}),
        ({"split_seed": 1}, {"split": SPLIT}),
        ({"split_seed": 1}, {}),  # draws the subsets
        ({"train_subset": 160}, {}),
        ({"test_subset": 50}, {}),
        ({"normalization": "half"}, {}),
        ({"normalization": "none"}, {}),
        ({"augmentation": "flip"}, {}),
        ({"augmentation": "crop"}, {}),
        ({"augmentation": "crop_flip"}, {"augmentation": "crop"}),
        ({"model": DROPOUT}, {}),
        ({"model": "resnet10"}, {}),
        ({"model": "resnet18"}, {"model": "resnet10"}),
        ({"stem": "imagenet"}, {"model": "resnet10"}),
        ({"epochs": 2}, {}),
        ({"batch_size": 48}, {}),
        ({"grad_accumulation": 2}, {}),
        ({"optimizer": "sgd"}, {}),
        ({"optimizer": "adamw"}, {}),
        ({"lr": 2e-3}, {}),
        ({"momentum": 0.9}, {"optimizer": "sgd"}),
        ({"weight_decay": 0.1}, {}),
        ({"weight_decay": 0.1}, {"optimizer": "adamw"}),
        ({"schedule": "cosine"}, {}),
        ({"schedule": "onecycle"}, {}),
        ({"schedule": "step"}, {"lr_step_epochs": 1, "epochs": 2}),
        ({"lr_step_epochs": 2}, {"lr_step_epochs": 1, "epochs": 2, "schedule": "step"}),
        ({"lr_gamma": 0.5}, {"lr_step_epochs": 1, "epochs": 2, "schedule": "step"}),
        ({"warmup_epochs": 1}, {"epochs": 2}),
        ({"label_smoothing": 0.1}, {}),
        ({"amp": "bf16"}, {}),
        ({"amp": "fp16"}, {}),
        ({"grad_scaler": False}, {"amp": "fp16"}),
        ({"_seed": 1}, {}),
    ],
    ids=str,
)
def test_another_value_computes_something_else(
    train: Train, other: dict[str, Any], beside: dict[str, Any]
) -> None:
    assert train(**beside).result != train(**(beside | other)).result


def test_what_a_trial_reports(train: Train) -> None:
    trained = train(split=SPLIT, epochs=3, eval_every=2)
    columns, history = trained.columns, trained.history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert ["val_accuracy" in row for row in history] == [False, True, True]
    assert ["test_accuracy" in row for row in history] == [False, False, True]
    assert columns["epochs_run"] == 3
    assert columns["steps"] == 9
    assert columns["best_epoch"] in (2, 3)
    assert columns["val_accuracy"] == history[-1]["val_accuracy"]
    assert columns["test_accuracy"] == history[-1]["test_accuracy"]
    assert columns["train_loss"] == history[-1]["train_loss"] < history[0]["train_loss"]
    assert 0 < columns["step_p50_s"] <= columns["step_p95_s"]
    assert columns["samples_per_s"] == pytest.approx(
        3 * 192 / sum(row["train_s"] for row in history)
    )
    assert columns["tflops_per_s"] == pytest.approx(
        columns["flops_per_step"] / 64 * columns["samples_per_s"] / 1e12
    )
    assert set(trained.context.phases()) >= {"data", "build", "warmup", "train", "eval"}


def test_without_a_validation_part_there_are_no_validation_columns_and_every_epoch_is_tested(
    train: Train,
) -> None:
    trained = train(epochs=2)
    assert not [name for name in trained.columns if name.startswith(("val_", "best_"))]
    assert all("test_accuracy" in row for row in trained.history)


def test_it_learns(train: Train) -> None:
    assert train(epochs=8, train_subset=None, test_subset=None).columns["test_accuracy"] > 0.95


def test_patience_stops_after_so_many_evaluations_without_a_better_one(train: Train) -> None:
    stopped = train(
        split=SPLIT, patience=2, epochs=6, lr=1e-9, optimizer="sgd"
    )  # learns nothing, so no epoch beats the first
    assert [row["epoch"] for row in stopped.history] == [1, 2, 3]
    assert stopped.columns["epochs_run"] == 3
    assert stopped.columns["best_epoch"] == 1
    assert "test_accuracy" in stopped.columns


def test_a_diverging_learning_rate_is_a_result(train: Train) -> None:
    diverged = train(lr=1e30, optimizer="sgd", epochs=2)
    assert math.isnan(diverged.columns["train_loss"])
    assert diverged.columns["epochs_run"] == 2


def test_gradient_accumulation_steps_once_for_several_batches(train: Train) -> None:
    trained = train(grad_accumulation=2)
    assert trained.columns["steps"] == 2  # three batches: two together, and the last by itself
    assert trained.columns["flops_per_step"] == 2 * train().columns["flops_per_step"]


def test_accumulated_batches_step_as_one_large_batch_does(train: Train) -> None:
    parts, whole = (
        train(batch_size=48, grad_accumulation=4, optimizer="sgd"),
        train(batch_size=192, optimizer="sgd"),
    )
    assert parts.columns["test_loss"] == pytest.approx(whole.columns["test_loss"], rel=1e-6)


def test_an_odd_batch_counts_by_its_images(train: Train) -> None:
    far = {"optimizer": "sgd", "lr": 1.0}  # so that the one step shows
    parts, whole = train(batch_size=80, grad_accumulation=3, **far), train(batch_size=192, **far)
    assert parts.columns["steps"] == whole.columns["steps"] == 1
    assert parts.columns["test_loss"] == pytest.approx(whole.columns["test_loss"], rel=1e-6)


def test_flops_are_those_of_the_matrix_products(train: Train) -> None:
    forward = backward = (
        2 * 64 * 10
    )  # 64 pixels, 10 classes; the pixels themselves need no gradient
    assert train(model=LINEAR).columns["flops_per_step"] == 64 * (forward + backward)


def test_evaluation_smooths_no_labels(train: Train) -> None:
    idle = {"optimizer": "sgd", "lr": 1e-12}
    plain, smoothed = train(**idle), train(label_smoothing=0.3, **idle)
    assert smoothed.columns["train_loss"] != pytest.approx(plain.columns["train_loss"], rel=1e-5)
    assert smoothed.columns["test_loss"] == pytest.approx(plain.columns["test_loss"], rel=1e-8)


@pytest.mark.parametrize(
    ("channels_last", "strides"), [(True, (64, 1, 8, 1)), (False, (64, 64, 8, 1))]
)
def test_gray_images_lie_the_same_in_warm_up_and_training(
    train: Train, channels_last: bool, strides: tuple[int, ...]
) -> None:
    own_models.seen.clear()
    for loader in ("resident", "dataloader"):
        train(model=WATCHING, channels_last=channels_last, loader=loader)
    assert {entry["strides"] for entry in own_models.seen if entry["n"] == 64} == {strides}


def test_the_record_says_where_it_was_computed(train: Train) -> None:
    assert train(device="cpu", _context={"device": "cuda"}).context.device == "cpu"


def test_the_reported_learning_rate_follows_the_schedule(train: Train) -> None:
    rates = [row["lr"] for row in train(epochs=3, schedule="step", lr_step_epochs=1).history]
    assert rates == pytest.approx([1e-3, 1e-4, 1e-5])


@pytest.mark.parametrize(
    ("params", "watched", "value"),
    [
        ({"channels_last": True}, "channels_last", True),
        ({"channels_last": True, "loader": "dataloader"}, "channels_last", True),
        ({"channels_last": False}, "channels_last", False),
        ({"amp": "bf16"}, "type", torch.bfloat16),
        ({"amp": "fp16"}, "type", torch.float16),
        ({"amp": "off"}, "type", torch.float32),
        ({"threads": 2}, "threads", 2),
        ({}, "threads", 1),
        ({"deterministic": True}, "deterministic", True),
        ({"device": "cpu", "_context": {"device": "cuda"}}, "device", "cpu"),
    ],
    ids=str,
)
def test_the_model_sees_it(train: Train, params: dict[str, Any], watched: str, value: Any) -> None:
    own_models.seen.clear()
    train(model=WATCHING, dataset="synthetic:3x8x8x10x400", **params)
    assert {entry[watched] for entry in own_models.seen} == {value}


def test_the_record_says_how_many_threads_computed(train: Train) -> None:
    assert train(threads=2).context.noted["threads"] == 2


def test_the_learning_rate_is_of_optimizer_steps_not_of_batches(train: Train) -> None:
    together = train(epochs=3, schedule="cosine", grad_accumulation=3).history
    assert [row["lr"] for row in together] == pytest.approx(
        [1e-3 * (1 + math.cos(math.pi * done / 3)) / 2 for done in range(3)]
    )


def test_a_trial_leaves_the_process_as_it_was(train: Train) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    train(threads=before[0] + 1, deterministic=True, model=WATCHING)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_a_trace_is_not_made_again_when_the_trial_goes_on(train: Train) -> None:
    table = train(profile=True).context.files / "profile" / "operators.csv"
    table.write_text("mine")
    train(profile=True)
    assert table.read_text() == "mine"


def test_a_trace_of_a_trial_with_one_step(train: Train) -> None:
    trained = train(profile=True, train_subset=32)
    assert trained.columns["steps"] == 1
    assert (
        "aten::convolution_backward"
        in (trained.context.files / "profile" / "operators.csv").read_text()
    )


def test_on_a_gpu_a_kernel_counts_for_its_operator_alone(tmp_path: Path) -> None:
    """Made-up figures, in torch's own shape: an operator has the time of its kernel, which also has
    a row of its own."""

    def row(
        key: str, device: DeviceType, own_us: float, *, annotation: bool = False
    ) -> SimpleNamespace:
        times = {"self_cpu_time_total": 1.0, "cpu_time_total": 1.0, "device_time_total": own_us}
        return SimpleNamespace(
            key=key,
            count=1,
            device_type=device,
            is_user_annotation=annotation,
            self_device_time_total=own_us,
            **times,
        )

    rows = [row("aten::conv", DeviceType.CPU, 30), row("aten::relu", DeviceType.CPU, 10)]
    rows += [row("cudnn_kernel", DeviceType.CUDA, 30), row("relu_kernel", DeviceType.CUDA, 10)]
    rows += [row("step", DeviceType.CPU, 40, annotation=True)]

    def shares() -> dict[str, str]:
        write_operators(tmp_path / "operators.csv", rows, on_gpu=True)
        _, *lines = (tmp_path / "operators.csv").read_text().splitlines()
        return {line.split(",")[0]: line.split(",")[2] for line in lines}

    assert shares() == {"aten::conv": "0.7500", "aten::relu": "0.2500"}
    rows.append(row("replayed_kernel", DeviceType.CUDA, 40))
    assert shares() == {
        "(kernels of CUDA graphs)": "0.5000",
        "aten::conv": "0.3750",
        "aten::relu": "0.1250",
    }


def test_profile_writes_a_trace_and_a_table_of_operators(train: Train) -> None:
    files = train(profile=True, batch_size=32).context.files / "profile"
    events = json.loads((files / "trace.pt.trace.json").read_bytes())["traceEvents"]
    steps = [event["name"] for event in events if event["name"].startswith("ProfilerStep")]
    assert steps == [
        "ProfilerStep#0",
        "ProfilerStep#1",
        "ProfilerStep#2",
    ]  # of the epoch's six, the first three are left out
    head, *rows = (files / "operators.csv").read_text().splitlines()
    assert head.startswith("operator,calls,share")
    shares = [float(row.split(",")[2]) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert any(row.startswith("aten::convolution_backward,") for row in rows)


def test_tensorboard_gets_a_point_an_epoch(train: Train) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = train(tensorboard=True, epochs=2)
    events = EventAccumulator(str(trained.context.files / "tensorboard")).Reload()
    losses = [(point.step, point.value) for point in events.Scalars("train_loss")]
    assert losses == [(row["epoch"], pytest.approx(row["train_loss"])) for row in trained.history]


def test_tensorboard_gets_what_was_measured_and_no_more(train: Train) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = train(tensorboard=True, split=SPLIT, epochs=3, eval_every=2)
    events = EventAccumulator(str(trained.context.files / "tensorboard")).Reload()
    points = {
        name: [point.step for point in events.Scalars(name)] for name in events.Tags()["scalars"]
    }
    always = {
        key: [1, 2, 3] for key in ("train_s", "lr", "train_loss", "train_accuracy", "samples_per_s")
    }
    assert points == always | {"val_loss": [2, 3], "val_accuracy": [2, 3], "test_accuracy": [3]}


def test_tensorboard_has_one_point_an_epoch_after_a_death(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead in the third epoch, with a checkpoint of the second."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    save, saves = checkpoint.save, iter([True] * 5)
    monkeypatch.setattr(
        checkpoint, "save", lambda *content: save(*content) if next(saves, False) else None
    )
    steps = iter(range(100))

    def dies() -> bool:
        if next(steps) == 8:
            raise RuntimeError("dead")
        return False

    with pytest.raises(RuntimeError, match="dead"):
        train(tensorboard=True, epochs=4, _context={"stop": dies})
    monkeypatch.undo()
    trained = train(tensorboard=True, epochs=4)
    events = EventAccumulator(str(trained.context.files / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("train_loss")] == [1, 2, 3, 4]
    assert [row["epoch"] for row in trained.history] == [1, 2, 3, 4]


@pytest.mark.parametrize("model", [DROPOUT, f"{own_models.NAME}:Remembering"])
@pytest.mark.parametrize("params", [{"profile": True}, {"tensorboard": True}], ids=str)
def test_looking_inside_changes_nothing(train: Train, model: str, params: dict[str, Any]) -> None:
    assert train(model=model).result == train(model=model, **params).result


def test_a_gpu_that_is_not_there_is_said(train: Train) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(NoDevice, match="device: cpu"):
        train(device="cuda")


@pytest.mark.parametrize("factory", ["no_model", "misspelled"])
def test_a_factory_that_gives_no_model_is_said(train: Train, factory: str) -> None:
    with pytest.raises(BadModel, match=f"own_models:{factory}"):
        train(model=f"{own_models.NAME}:{factory}")


def test_a_model_that_does_not_know_all_classes_is_said(train: Train) -> None:
    with pytest.raises(BadModel, match=r"2 images of 10 classes it gives \(2, 5\)"):
        train(model=f"{own_models.NAME}:short")


@pytest.mark.parametrize(("model", "images"), [(LINEAR, 129), (DROPOUT, 128)])
def test_a_last_batch_of_one_image_is_left_out_only_where_batches_are_normalized(
    train: Train, model: str, images: int
) -> None:
    trained = train(model=model, train_subset=129)
    assert trained.columns["steps"] == -(-images // 64)
    (row,) = trained.history
    assert row["samples_per_s"] * row["train_s"] == pytest.approx(images)


def test_one_image_is_trained_on_where_there_is_no_other(train: Train) -> None:
    own_models.seen.clear()
    train(model=WATCHING, train_subset=65)
    assert {entry["n"] for entry in own_models.seen if entry["training"]} >= {64, 1}


def test_nothing_to_train_on_is_an_error_of_its_own(train: Train) -> None:
    with pytest.raises(NothingToTrainOn, match="larger fraction"):
        train(split=(0.0001, 0.4999, 0.5), train_subset=None)


def test_between_two_epochs_the_position_has_the_share_of_the_one_under_way(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float | None, float | None, float | None]] = []

    def after_each_step(context: Context) -> bool:
        at = context.position()
        seen.append((at.epoch, at.samples_per_s, at.loss))
        return False

    monkeypatch.setattr(Context, "stop_requested", after_each_step)
    columns = train(epochs=2).columns
    steps = columns["steps"] // 2
    assert [epoch for epoch, _, _ in seen] == pytest.approx(
        [(step + 1) / steps for step in range(2 * steps)], abs=0.05
    )
    assert all(rate is not None and rate > 0 for _, rate, _ in seen)
    assert {loss is None for _, _, loss in seen[:steps]} == {True}
    assert {loss is None for _, _, loss in seen[steps:]} == {False}
