"""Whether a task fits a node, and what is lacking if it does not."""

from __future__ import annotations

import pytest

from cluster.machine import GIB
from cluster.resources import Resources
from cluster.room import Need, Room, lacking

WORKSTATION = Room(cpus=16, gpus=2, models=frozenset({"a30"}), memory_bytes=64 * GIB)


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (Resources(cpus=17), "17 CPUs, and no node has more than 16"),
        (Resources(mem_gb=65), "65 GB of memory, and no node has more than 64.0"),
        (Resources(gpus=3), "3 GPU, and no node has more than 2"),
        (Resources(gpus=1, gpu="t4"), "GPU model t4, and the nodes have a30"),
    ],
)
def test_what_is_lacking_is_named(resources: Resources, reason: str) -> None:
    assert reason in (lacking([WORKSTATION], Need.of(resources)) or "")


def test_a_target_declared_without_gpu_needs_none() -> None:
    assert lacking([Room(cpus=1)], Need.of(Resources(gpu="none"))) is None


def test_models_that_a_node_mixes_cannot_be_told_apart() -> None:
    mixed = Room(cpus=8, gpus=2, models=frozenset({"a30", "t4"}))
    assert lacking([mixed], Need(cpus=1, gpus=1)) is None
    assert "CUDA_VISIBLE_DEVICES" in (lacking([mixed], Need(cpus=1, gpus=1, gpu="t4")) or "")
