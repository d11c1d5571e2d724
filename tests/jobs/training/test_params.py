"""Parameters as plans see them: ranges, contradictions, and what cannot act."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from jobs.hardware import CPU, Hardware
from jobs.training.params import TrainParams, collapse, problems

GPU, TURING = Hardware(gpu=True, model="a30"), Hardware(gpu=True, model="t4")


def params(**values: Any) -> TrainParams:
    """As a grid's values become parameters."""
    return msgspec.convert(values, TrainParams)


def test_the_defaults_never_change() -> None:
    assert msgspec.structs.asdict(TrainParams()) == {
        "dataset": "digits",
        "split": "official",
        "split_seed": 0,
        "train_subset": None,
        "test_subset": None,
        "normalization": "dataset",
        "augmentation": "none",
        "model": "simple_cnn",
        "stem": "cifar",
        "pretrained": False,
        "epochs": 5,
        "batch_size": 64,
        "grad_accumulation": 1,
        "optimizer": "adam",
        "lr": 1e-3,
        "momentum": None,
        "weight_decay": None,
        "fused": None,
        "foreach": None,
        "schedule": "none",
        "lr_step_epochs": 10,
        "lr_gamma": 0.1,
        "warmup_epochs": 0,
        "label_smoothing": 0.0,
        "patience": None,
        "eval_every": 1,
        "device": "auto",
        "threads": None,
        "amp": "off",
        "grad_scaler": None,
        "compile": "off",
        "channels_last": False,
        "cudnn": True,
        "cudnn_benchmark": False,
        "tf32": None,
        "blas": "cublas",
        "cuda_graphs": False,
        "deterministic": False,
        "loader": "resident",
        "num_workers": 0,
        "pin_memory": False,
        "persistent_workers": False,
        "prefetch_factor": None,
        "non_blocking": False,
        "profile": False,
        "tensorboard": False,
    }


@pytest.mark.parametrize("target", [CPU, GPU])
def test_the_defaults_are_in_order_and_all_act(target: Hardware) -> None:
    assert problems(TrainParams(), target) == []
    assert collapse(TrainParams(), target) == (TrainParams(), [])


def test_plans_need_no_torch() -> None:
    code = (
        "import sys, jobs.training.params as p; p.problems(p.TrainParams(), "
        "p.Hardware(gpu=True)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"lr": 0},
        {"lr": -1e-3},
        {"momentum": 1},
        {"weight_decay": -1},
        {"label_smoothing": 1},
        {"threads": 0},
        {"num_workers": -1},
        {"optimizer": "rmsprop"},
        {"amp": "fp8"},
        {"pin_memory": 1},
        {"learning_rate": 1e-3},
    ],
    ids=str,
)
def test_values_out_of_range_and_unknown_names_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        params(**values)


@pytest.mark.parametrize(
    ("values", "target", "name"),
    [
        ({"dataset": "minst"}, CPU, "dataset"),
        ({"split": [0.7, 0.2, 0.2]}, CPU, "split"),
        ({"model": "resnet19"}, CPU, "model"),
        ({"model": "package.module:"}, CPU, "model"),
        ({"pretrained": True}, CPU, "pretrained"),
        ({"pretrained": True, "model": "resnet10"}, CPU, "pretrained"),
        ({"lr": float("inf")}, CPU, "lr"),
        ({"weight_decay": float("inf")}, CPU, "weight_decay"),
        ({"lr_gamma": float("inf"), "schedule": "step"}, CPU, "lr_gamma"),
        ({"fused": True, "foreach": True}, CPU, "fused"),
        ({"warmup_epochs": 3, "epochs": 3}, CPU, "warmup_epochs"),
        ({"patience": 2}, CPU, "patience"),
        ({"patience": 2, "split": [0.8, 0, 0.2]}, CPU, "patience"),
        ({"device": "cuda"}, CPU, "device"),
        ({"amp": "fp16"}, CPU, "amp"),
        ({"deterministic": True, "cudnn_benchmark": True}, GPU, "deterministic"),
        ({"amp": "fp16", "device": "cpu"}, GPU, "amp"),
        ({"amp": "bf16"}, TURING, "amp"),
        ({"cuda_graphs": True, "loader": "dataloader"}, GPU, "cuda_graphs"),
        ({"cuda_graphs": True, "compile": "default"}, GPU, "cuda_graphs"),
        ({"cuda_graphs": True, "grad_accumulation": 2}, GPU, "cuda_graphs"),
    ],
    ids=str,
)
def test_contradictions_are_problems(values: dict[str, Any], target: Hardware, name: str) -> None:
    (problem,) = problems(params(**values), target)
    assert problem.startswith(f"{name}")


@pytest.mark.parametrize(
    ("values", "target"),
    [
        ({"warmup_epochs": 3, "epochs": 3, "schedule": "onecycle"}, CPU),
        ({"warmup_epochs": 1, "epochs": 1}, CPU),
        ({"deterministic": True, "cudnn_benchmark": True}, CPU),
        ({"cuda_graphs": True, "loader": "dataloader"}, CPU),
        ({"amp": "bf16"}, GPU),
        ({"amp": "bf16", "device": "cpu"}, TURING),
        ({"amp": "fp16"}, TURING),
    ],
    ids=str,
)
def test_what_is_no_contradiction_is_none(values: dict[str, Any], target: Hardware) -> None:
    assert problems(params(**values), target) == []


def test_all_problems_are_told_at_once() -> None:
    assert (
        len(
            problems(params(dataset="minst", model="resnet19", lr=float("inf"), device="cuda"), CPU)
        )
        == 4
    )


def test_a_misspelled_model_gets_the_nearest() -> None:
    assert "did you mean 'resnet18'?" in problems(params(model="resnet_18"), CPU)[0]


@pytest.mark.parametrize(
    ("idle", "target", "beside"),
    [
        ({"pin_memory": True}, GPU, {}),
        ({"pin_memory": True}, CPU, {"loader": "dataloader"}),
        ({"non_blocking": True}, CPU, {"loader": "dataloader"}),
        ({"num_workers": 4}, GPU, {}),
        ({"persistent_workers": True}, CPU, {"loader": "dataloader"}),
        ({"prefetch_factor": 4}, CPU, {"loader": "dataloader"}),
        ({"grad_scaler": True}, GPU, {"amp": "bf16"}),
        ({"grad_scaler": True}, GPU, {}),
        ({"cudnn": False}, CPU, {}),
        ({"cudnn_benchmark": True}, CPU, {}),
        ({"cudnn_benchmark": True}, GPU, {"cudnn": False}),
        ({"cudnn_benchmark": True}, GPU, {"device": "cpu"}),
        ({"tf32": True}, CPU, {}),
        ({"tf32": True}, TURING, {}),
        ({"tf32": False}, TURING, {}),
        ({"tf32": True}, GPU, {"amp": "bf16"}),
        ({"blas": "cublaslt"}, CPU, {}),
        ({"cuda_graphs": True}, CPU, {}),
        ({"deterministic": True}, CPU, {}),
        ({"momentum": 0.9}, CPU, {}),
        ({"momentum": 0.9}, CPU, {"optimizer": "sgd", "schedule": "onecycle"}),
        ({"lr_gamma": 0.5}, CPU, {}),
        ({"lr_step_epochs": 3}, CPU, {"schedule": "cosine"}),
        ({"warmup_epochs": 1}, CPU, {"schedule": "onecycle"}),
        ({"stem": "imagenet"}, CPU, {}),
        ({"schedule": "step"}, CPU, {"epochs": 10}),
        ({"schedule": "step"}, CPU, {"epochs": 12, "warmup_epochs": 2}),
        ({"schedule": "cosine"}, CPU, {"epochs": 1, "warmup_epochs": 1}),
        ({"compile": "reduce-overhead"}, CPU, {"compile": "default"}),
        ({"eval_every": 9}, CPU, {"epochs": 4, "eval_every": 4}),
        ({"foreach": False}, CPU, {"fused": True}),
        ({"non_blocking": True}, GPU, {}),
        ({"persistent_workers": True}, GPU, {}),
        ({"prefetch_factor": 4}, GPU, {}),
        ({"split_seed": 3}, CPU, {}),
        ({"patience": 4}, CPU, {"split": [0.7, 0.1, 0.2]}),
        ({"patience": 1}, CPU, {"split": [0.7, 0.1, 0.2], "eval_every": 3}),
    ],
    ids=str,
)
def test_what_cannot_act_collapses_with_a_note(
    idle: dict[str, Any], target: Hardware, beside: dict[str, Any]
) -> None:
    collapsed, notes = collapse(params(**(beside | idle)), target)
    assert collapsed == collapse(params(**beside), target)[0]
    (note,) = notes
    assert note.startswith(f"{next(iter(idle))}: ")
    assert collapse(collapsed, target) == (collapsed, [])


def test_a_schedule_whose_steps_change_nothing_is_none() -> None:
    collapsed, _ = collapse(params(epochs=5, schedule="step", lr_step_epochs=1, lr_gamma=1), CPU)
    assert collapsed == params(epochs=5)


@pytest.mark.parametrize(
    ("acting", "target", "beside"),
    [
        ({"pin_memory": True}, GPU, {"loader": "dataloader"}),
        ({"num_workers": 4}, CPU, {"loader": "dataloader"}),
        ({"prefetch_factor": 4}, CPU, {"loader": "dataloader", "num_workers": 1}),
        ({"grad_scaler": False}, GPU, {"amp": "fp16"}),
        ({"cudnn_benchmark": True}, GPU, {}),
        ({"tf32": True}, GPU, {}),
        ({"tf32": False}, GPU, {}),
        ({"tf32": True}, GPU, {"cudnn": False}),
        ({"tf32": True}, GPU, {"amp": "bf16", "model": "mine:model"}),
        ({"device": "cpu"}, GPU, {}),
        ({"deterministic": True}, GPU, {}),
        ({"deterministic": True}, CPU, {"model": "mine:model"}),
        ({"split_seed": 3}, CPU, {"train_subset": 100}),
        ({"split_seed": 3}, CPU, {"test_subset": 50}),
        ({"split_seed": 3}, CPU, {"split": [0.7, 0.1, 0.2]}),
        ({"schedule": "step"}, CPU, {"epochs": 11}),
        ({"compile": "max-autotune"}, CPU, {"compile": "default"}),
        ({"patience": 3}, CPU, {"split": [0.7, 0.1, 0.2]}),
        ({"weight_decay": 0.01}, CPU, {}),
        ({"weight_decay": 0}, CPU, {"optimizer": "adamw"}),
        ({"fused": False}, CPU, {}),
        ({"foreach": True}, CPU, {}),
        ({"foreach": False}, GPU, {}),
    ],
    ids=str,
)
def test_what_acts_stays(acting: dict[str, Any], target: Hardware, beside: dict[str, Any]) -> None:
    collapsed, notes = collapse(params(**(beside | acting)), target)
    assert collapsed != collapse(params(**beside), target)[0]
    assert notes == []


@pytest.mark.parametrize(
    ("spelled", "target", "beside"),
    [
        ({"momentum": 0}, CPU, {"optimizer": "sgd"}),
        ({"weight_decay": 0.01}, CPU, {"optimizer": "adamw"}),
        ({"weight_decay": 0}, CPU, {}),
        ({"fused": True}, CPU, {}),
        ({"fused": False}, CPU, {"foreach": False}),
        ({"foreach": False}, CPU, {"fused": False}),
        ({"foreach": True}, GPU, {"fused": False}),
        ({"foreach": False}, GPU, {"fused": False, "device": "cpu"}),
        ({"prefetch_factor": 2}, CPU, {"loader": "dataloader", "num_workers": 1}),
        ({"grad_scaler": True}, GPU, {"amp": "fp16"}),
        ({"tf32": False}, GPU, {"cudnn": False}),
        ({"device": "cpu"}, CPU, {}),
        ({"device": "cuda"}, GPU, {}),
    ],
    ids=str,
)
def test_a_default_spelled_out_is_the_same_trial_without_a_note(
    spelled: dict[str, Any], target: Hardware, beside: dict[str, Any]
) -> None:
    collapsed, notes = collapse(params(**(beside | spelled)), target)
    assert collapsed == collapse(params(**beside), target)[0]
    assert notes == []
