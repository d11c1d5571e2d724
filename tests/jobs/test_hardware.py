"""Which GPUs are known to be older than Ampere."""

from __future__ import annotations

import pytest

from jobs.hardware import CPU, Hardware


@pytest.mark.parametrize(
    "model",
    [
        "t4",
        "Tesla T4",
        "v100",
        "V100S",
        "p100-16gb",
        "k80",
        "m60",
        "gtx1080",
        "GTX 1660",
        "rtx2080ti",
        "titan rtx",
    ],
)
def test_older_gpus(model: str) -> None:
    assert Hardware(gpu=True, model=model).before_ampere


@pytest.mark.parametrize(
    "model",
    [
        "a30",
        "a100-80gb",
        "h100",
        "l4",
        "L40S",
        "rtx3090",
        "rtx a6000",
        "RTX 4090",
        "b200",
        "gh200",
        "mi300",
        None,
    ],
)
def test_gpus_that_are_not_known_to_be_older(model: str | None) -> None:
    assert not Hardware(gpu=True, model=model).before_ampere
    assert not CPU.before_ampere
