"""Spellings of one computation have one id: whatever cannot act, or only says what null stands for,
makes no difference."""

from __future__ import annotations

import json
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobs.hardware import CPU, Hardware
from jobs.registry import workload
from jobs.training import optimizers, params, schedules
from jobs.training.fields import TrainParams
from runner.grid.expand import load_grid

TARGETS = {"a30": Hardware(True, "a30"), "t4": Hardware(True, "t4"), "cpu": CPU}
TRAIN: dict[str, list[Any]] = {
    "split": ["official", [0.7, 0.1, 0.2], [0.8, 0, 0.2]],
    "split_seed": [0, 1],
    "train_subset": [None, 100],
    "model": ["simple_cnn", "resnet18", "mine:model"],
    "stem": ["cifar", "imagenet"],
    "epochs": [1, 2, 4],
    "optimizer": ["sgd", "adam", "adamw"],
    "momentum": [None, 0, 0.9],
    "weight_decay": [None, 0, 0.01],
    "fused": [None, False, True],
    "foreach": [None, False, True],
    "schedule": ["none", "cosine", "onecycle", "step"],
    "lr_step_epochs": [1, 2, 10],
    "lr_gamma": [0.1, 0.5, 1],
    "warmup_epochs": [0, 1],
    "patience": [None, 1, 3],
    "eval_every": [1, 2, 9],
    "device": ["auto", "cpu", "cuda"],
    "amp": ["off", "fp16", "bf16"],
    "grad_scaler": [None, False, True],
    "compile": ["off", "default", "reduce-overhead"],
    "cudnn": [True, False],
    "cudnn_benchmark": [False, True],
    "tf32": [None, False, True],
    "blas": ["cublas", "cublaslt"],
    "cuda_graphs": [False, True],
    "deterministic": [False, True],
    "loader": ["resident", "dataloader"],
    "num_workers": [0, 2],
    "pin_memory": [False, True],
    "persistent_workers": [False, True],
    "prefetch_factor": [None, 2, 4],
    "non_blocking": [False, True],
}
SVM: dict[str, list[Any]] = {
    "split": ["official", [0.7, 0.1, 0.2]],
    "split_seed": [0, 1],
    "kernel": ["linear", "poly", "rbf", "sigmoid"],
    "gamma": ["scale", "auto", 0.1],
    "degree": [2, 3],
    "coef0": [0, 1],
    "engine": ["auto", "sklearn", "sklearnex"],
}
POOLS = {"train": TRAIN, "svm": SVM}


def drawn(pool: dict[str, list[Any]], *names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({name: st.sampled_from(pool[name]) for name in names or pool})


@pytest.mark.parametrize("name", POOLS)
@settings(deadline=None, max_examples=40)
@given(data=st.data(), target=st.sampled_from(sorted(TARGETS)))
def test_what_is_asked_and_what_acts_of_it_are_one_trial(
    name: str, data: st.DataObject, target: str
) -> None:
    found, there = workload(name), TARGETS[target]
    asked = data.draw(drawn(POOLS[name]))
    params_asked = found.read(asked)
    acting, _ = found.collapse(params_asked, there)
    assume(not found.check(acting, there))
    again, notes = found.collapse(acting, there)
    assert (again, notes) == (acting, [])
    written = {key: value for key, value in found.written_out(acting).items() if key in asked}
    # Two spellings walked together: what does not act is then no mistake of a value that is written
    # once.
    zipped = {key: [asked[key], written[key]] for key in asked}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grid.yaml")
        path.write_text(
            json.dumps({"name": "x", "workload": name, "target": target, "zip": zipped}),
            encoding="utf-8",
        )
        expanded = load_grid(path, targets=TARGETS, profile_name="cluster.yaml")
    (spec,) = expanded.specs
    assert spec.params == found.canonical(acting)


@settings(deadline=None, max_examples=80)
@given(
    drawn(
        TRAIN,
        "epochs",
        "optimizer",
        "momentum",
        "weight_decay",
        "fused",
        "foreach",
        "schedule",
        "lr_step_epochs",
        "lr_gamma",
        "warmup_epochs",
    ),
    st.data(),
)
def test_optimizers_that_torch_cannot_tell_apart_are_one_trial(
    asked: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(asked)))
    other = asked | {name: data.draw(st.sampled_from(TRAIN[name]))}
    one, two = (msgspec.convert(values, TrainParams) for values in (asked, other))
    assume(not params.problems(one, CPU) and not params.problems(two, CPU))
    if _steps_of(one) == _steps_of(two):
        assert params.collapse(one, CPU)[0] == params.collapse(two, CPU)[0]
    else:
        assert params.collapse(one, CPU)[0] != params.collapse(two, CPU)[0]


def _steps_of(asked: TrainParams) -> tuple[Any, ...]:
    """What torch is told for each step of a training of three steps an epoch."""
    optimizer = optimizers.build(asked, [torch.nn.Parameter(torch.zeros(1))])
    schedule = schedules.build(asked, optimizer, 3)
    seen = []
    for step in count(1):
        (group,) = optimizer.param_groups
        chosen: dict[str, Any] = {
            key: group[key]
            for key in ("lr", "momentum", "betas", "weight_decay", "fused")
            if key in group
        }
        seen.append({**chosen, "fused": bool(chosen["fused"]), "foreach": bool(group["foreach"])})
        if step == 3 * asked.epochs:
            break
        optimizer.step()
        if schedule is not None:
            schedule.step()
    return type(optimizer), asked.epochs, seen
