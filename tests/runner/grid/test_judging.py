"""Points that are judged by what the rules have read of others are judged as by themselves."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from jobs.hardware import Hardware
from jobs.registry import workload
from runner.grid.blocks import Block, Cell
from runner.grid.judging import Judge

AXES: dict[str, dict[str, list[Any]]] = {
    "train": {
        "lr": [0.1, 0.01, float("inf")],
        "epochs": [1, 2, 10],
        "eval_every": [1, 4],
        "patience": [None, 1, 3],
        "model": ["simple_cnn", "resnet18", "m:f"],
        "schedule": ["none", "step", "cosine", "onecycle"],
        "warmup_epochs": [0, 1, 2],
        "optimizer": ["sgd", "adam", "adamw"],
        "weight_decay": [None, 0.0, 0.01],
        "momentum": [None, 0.0, 0.9],
        "amp": ["off", "fp16", "bf16"],
        "device": ["auto", "cpu"],
        "cudnn": [True, False],
        "tf32": [None, False, True],
        "loader": ["resident", "dataloader"],
        "num_workers": [0, 2],
        "split": ["official", (0.7, 0.1, 0.2), (0.5, 0.5)],
        "split_seed": [0, 1],
        "fused": [None, True, False],
        "foreach": [None, True, False],
        "cuda_graphs": [False, True],
        "compile": ["off", "default", "reduce-overhead"],
    },
    "svm": {
        "kernel": ["linear", "rbf", "poly", "sigmoid"],
        "gamma": ["scale", 0.5],
        "degree": [3, 4],
        "coef0": [0.0, 1.0],
        "engine": ["auto", "sklearn"],
        "split_seed": [0, 1],
    },
}
HARDWARE = {
    "cpu": Hardware(gpu=False),
    "t4": Hardware(gpu=True, model="T4"),
    "a30": Hardware(gpu=True, model="A30"),
}


@pytest.mark.parametrize("name", AXES)
def test_a_case_that_is_known_is_judged_as_the_rules_would(name: str) -> None:
    draw, rules, axes = random.Random(3), workload(name), AXES[name]
    cells = [[Cell({field: value}) for value in values] for field, values in axes.items()]
    given = {field: values[0] for field, values in axes.items()}
    judge = Judge(Block(rules.params, given, cells, {}, {}, []), rules)
    point, known = dict(given), 0
    for _ in range(3000):
        for field in draw.sample(sorted(axes), 2):  # neighbors, so that cases come again
            point[field] = draw.choice(axes[field])
        target = draw.choice(sorted(HARDWARE))
        there = HARDWARE[target]
        asked = rules.params(**point)
        acting, notes = rules.collapse(asked, there)
        judged = judge.judge(point, target, there)
        known += judged is judge.judge(point, target, there)
        assert msgspec.structs.replace(asked, **judged.changes) == acting
        assert judged.notes == notes
        assert judged.faults == rules.check(acting, there)
    assert known == 3000


def test_what_no_rule_reads_makes_no_case() -> None:
    rules, seen = workload("train"), set()
    cells = [[Cell({"batch_size": size}) for size in (16, 32)], [Cell({"epochs": 1})]]
    judge = Judge(Block(rules.params, {"batch_size": 16, "epochs": 1}, cells, {}, {}, []), rules)
    for size in range(1, 100):
        seen.add(id(judge.judge({"batch_size": size, "epochs": 1}, "cpu", HARDWARE["cpu"])))
    assert len(seen) == 1
