"""torch.compile serves the full training batches, and leaves the result what it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from jobs.training.fields import TrainParams
from jobs.training.session import compiled
from jobs.training.shape import ImageShape
from tests.jobs.training import own_models
from tests.jobs.training.conftest import Train

LINEAR = f"{own_models.NAME}:linear"


@pytest.mark.skipif(
    shutil.which("c++") is None,
    reason="torch.compile needs a C++ compiler on a CPU, and there is none",
)
@pytest.mark.long
def test_a_compiled_trial_computes_the_same(train: Train) -> None:
    plain, fast = train(model=LINEAR), train(model=LINEAR, compile="default")
    assert fast.columns["test_loss"] == pytest.approx(plain.columns["test_loss"], rel=1e-4)
    assert fast.context.phases()["warmup"] > plain.context.phases()["warmup"]


@pytest.mark.skipif(
    shutil.which("c++") is None,
    reason="torch.compile needs a C++ compiler on a CPU, and there is none",
)
def test_a_repeat_compiles_again(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    caches: list[Path] = []

    def linear(shape: ImageShape) -> torch.nn.Module:
        caches.append(Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]))
        assert not list(caches[-1].iterdir())
        return own_linear(shape)

    own_linear = own_models.linear
    monkeypatch.setattr(own_models, "linear", linear)
    for _ in range(2):
        train(model=LINEAR, compile="default")
    assert len(set(caches)) == 2
    assert not [cache for cache in caches if cache.exists()]


@pytest.mark.parametrize(
    ("asked", "mode"),
    [("default", None), ("reduce-overhead", "reduce-overhead"), ("max-autotune", "max-autotune")],
)
def test_the_compiler_is_told_the_mode(
    asked: Any, mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "compile", lambda model, **options: told.append(options) or model)
    compiled(TrainParams(compile=asked), torch.nn.Linear(3, 2), 4)
    assert told == [{"mode": mode, "dynamic": False}]


def test_without_compile_the_model_is_called_itself() -> None:
    model = torch.nn.Linear(3, 2)
    assert compiled(TrainParams(), model, 4) is model


@pytest.mark.skipif(
    shutil.which("c++") is None,
    reason="torch.compile needs a C++ compiler on a CPU, and there is none",
)
def test_only_full_batches_go_through_the_program() -> None:
    torch.compiler.reset()
    forward = compiled(TrainParams(compile="default"), torch.nn.Linear(3, 2), 4)
    programs = torch._dynamo.utils.counters["stats"]
    before = programs["unique_graphs"]
    for n, made in ((3, 0), (4, 1), (2, 1), (4, 1)):
        forward(torch.zeros(n, 3))
        assert programs["unique_graphs"] - before == made
    torch.compiler.reset()
