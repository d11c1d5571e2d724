"""Process-wide settings: applied for a trial, and put back after it. The flags can be set without a
GPU."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from jobs.training import backends
from jobs.training.fields import TrainParams

GPU, CPU = torch.device("cuda"), torch.device("cpu")


def flags() -> dict[str, Any]:
    """Everything that a trial may set."""
    return {
        "cudnn": torch.backends.cudnn.enabled,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "tf32_matmul": torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        "blas": torch.backends.cuda.preferred_blas_library(),
    }


@pytest.mark.parametrize(
    ("params", "changed"),
    [
        ({}, {}),
        ({"cudnn": False}, {"cudnn": False}),
        ({"cudnn_benchmark": True}, {"cudnn_benchmark": True}),
        ({"tf32": True}, {"tf32_convolutions": True, "tf32_matmul": True}),
        ({"tf32": False}, {"tf32_convolutions": False, "tf32_matmul": False}),
        (
            {"deterministic": True},
            {"deterministic": True, "cudnn_deterministic": True, "cublas_workspace": ":4096:8"},
        ),
    ],
    ids=str,
)
def test_settings_hold_for_one_trial(params: dict[str, Any], changed: dict[str, Any]) -> None:
    before = flags()
    threads = before["threads"] + 1
    with backends.applied(TrainParams(**params), GPU, threads):
        assert flags() == before | {"threads": threads} | changed
    assert flags() == before


def test_settings_are_put_back_after_a_failure() -> None:
    before = flags()
    with (
        pytest.raises(ZeroDivisionError),
        backends.applied(TrainParams(cudnn=False, deterministic=True), GPU, 1),
    ):
        raise ZeroDivisionError
    assert flags() == before


@pytest.mark.parametrize("blas", ["cublas", "cublaslt"])
def test_the_blas_library_is_chosen_and_put_back(
    blas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build without CUDA cannot choose cuBLASLt, so the choice is only listened to."""
    told: list[Any] = []
    monkeypatch.setattr(
        torch.backends.cuda,
        "preferred_blas_library",
        lambda *chosen: told.extend(chosen) or "the one before",
    )
    with backends.applied(TrainParams(blas=blas), GPU, 1):
        assert told == [blas]
    assert told == [blas, "the one before"]


def test_a_cpu_trial_leaves_the_gpu_libraries_alone() -> None:
    with backends.applied(TrainParams(cudnn=False, tf32=True), CPU, 1):
        assert torch.backends.cudnn.enabled
        assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("asked", "offered", "device"),
    [("auto", "cpu", "cpu"), ("cpu", "cuda", "cpu"), ("cpu", "cpu", "cpu")],
)
def test_the_device_is_the_targets_unless_asked_for(asked: Any, offered: str, device: str) -> None:
    assert backends.device_of(TrainParams(device=asked), offered).type == device
