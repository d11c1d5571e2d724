"""A number is not kept as if it were right when the hardware is not what the target promises."""

from __future__ import annotations

from typing import Any

import pytest

from cluster import machine
from cluster.machine import Gpu
from jobs.errors import WrongDevice
from jobs.measure import device
from jobs.measure.device import Expectation, is_model


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("a30", "NVIDIA A30"),
        ("A30", "NVIDIA A30"),
        ("t4", "Tesla T4"),
        ("tesla_t4", "Tesla T4"),
        ("a100", "NVIDIA A100-SXM4-40GB"),
        ("a100-80gb", "NVIDIA A100-SXM4-80GB"),
        ("a100_80gb", "NVIDIA A100 80GB PCIe"),
        ("h100", "NVIDIA H100 80GB HBM3"),
        ("rtx3090", "NVIDIA GeForce RTX 3090"),
        ("rtx_3080_ti", "NVIDIA GeForce RTX 3080 Ti"),
        ("3080ti", "NVIDIA GeForce RTX 3080 Ti"),
        ("a30_mig_1g.6gb", "NVIDIA A30 MIG 1g.6gb"),
    ],
)
def test_the_same_model(wanted: str, name: str) -> None:
    assert is_model(wanted, name)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("t4", "NVIDIA T400"),
        ("t4", "NVIDIA T400 4GB"),
        ("a10", "NVIDIA A100-SXM4-40GB"),
        ("a10", "NVIDIA A10G"),
        ("a100", "NVIDIA A10"),
        ("a100-80gb", "NVIDIA A100-SXM4-40GB"),
        ("rtx3080", "NVIDIA GeForce RTX 3080 Ti"),
        ("rtx4070", "NVIDIA GeForce RTX 4070 SUPER"),
        ("a30", "NVIDIA A30 MIG 1g.6gb"),
        ("", "NVIDIA A30"),
        ("--", "NVIDIA A30"),
    ],
)
def test_another_model(wanted: str, name: str) -> None:
    assert not is_model(wanted, name)


def gpu(name: str) -> Gpu:
    return Gpu(None, name, f"GPU-{name}", 24 * 2**30)


@pytest.mark.parametrize(
    ("expect", "names", "right"),
    [
        (Expectation(gpu="a30", gpus=1), ["NVIDIA A30"], True),
        (Expectation(gpu="a30", gpus=0.5), ["NVIDIA A30"], True),
        (Expectation(gpu="a30"), ["NVIDIA A30"], True),
        (Expectation(gpus=1), ["Tesla T4"], True),
        (Expectation(), ["Tesla T4"], True),
        (Expectation(), [], True),
        (Expectation(gpu="none", gpus=1), [], True),
        (Expectation(gpu="none", gpus=1), ["NVIDIA A30"], True),
        (Expectation(gpu="a30", gpus=1), [], False),
        (Expectation(gpus=1), [], False),
        (Expectation(gpu="a30", gpus=1), ["Tesla T4"], False),
        (Expectation(gpu="a30", gpus=2), ["NVIDIA A30"], False),
        (Expectation(gpu="a30", gpus=2), ["NVIDIA A30", "Tesla T4"], False),
        (Expectation(gpu="a30", gpus=2), ["NVIDIA A30", "NVIDIA A30"], True),
    ],
)
def test_the_promise_is_checked(
    expect: Expectation, names: list[str], right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: tuple(map(gpu, names)))
    if right:
        device.check(expect)
    else:
        with pytest.raises(WrongDevice, match=r"no GPU|Tesla|A30"):
            device.check(expect)


@pytest.mark.parametrize(
    ("expect", "expected"),
    [
        (Expectation(), "cpu"),
        (Expectation(gpus=0.25), "cuda"),
        (Expectation(gpu="a30"), "cuda"),
        (Expectation(gpu="none", gpus=1), "cpu"),
    ],
)
def test_where_the_trial_runs(expect: Expectation, expected: str) -> None:
    assert expect.device == expected


@pytest.mark.parametrize(
    ("asked", "granted", "threads"),
    [(1, 8.0, 1), (4, 8.0, 4), (8, 4.0, 4), (4, 2.5, 2), (1, 0.5, 1)],
)
def test_threads_are_cpus_both_asked_for_and_granted(
    asked: int, granted: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "granted_cpus", lambda: granted)
    assert device.threads(Expectation(cpus=asked)) == threads


def test_gpu_columns_are_those_that_the_trial_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: (gpu("NVIDIA A30"), gpu("NVIDIA A30")))
    columns: dict[str, Any] = device.describe(Expectation(gpu="a30", gpus=2), "cuda")
    assert (columns["gpu_name"], columns["gpu_count"], columns["gpu_total_gb"]) == (
        "NVIDIA A30",
        2,
        24.0,
    )
    assert not [name for name in device.describe(Expectation(), "cpu") if name.startswith("gpu")]


def test_a_trial_that_left_its_gpu_unused_has_no_gpu_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: (gpu("NVIDIA A30"),))
    columns = device.describe(Expectation(gpu="a30", gpus=1), "cpu")
    assert columns["device"] == "cpu"
    assert not [name for name in columns if name.startswith("gpu")]


@pytest.mark.gpu
def test_a_real_gpu_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    seen = machine.gpus()
    if not seen:
        pytest.skip("no NVIDIA GPU on this machine")
    assert seen[0].uuid.startswith(("GPU-", "MIG-"))
    assert seen[0].memory_bytes > 10**9
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen[0].uuid)
    assert [one.uuid for one in machine.gpus()] == [seen[0].uuid]
    device.check(Expectation(gpu=seen[0].name, gpus=1))
