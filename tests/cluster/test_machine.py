"""The grant is read from the kernel: affinity, and the quotas of control groups of both
versions; GPUs as CUDA counts them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from cluster import machine
from cluster.room import Room
from jobs.measure import device
from jobs.measure.device import Expectation

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = (
    "33 32 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
)
MEMORY_V1_MOUNT = "36 32 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 CPUs in its affinity, so that the quota decides."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)))


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.usefixtures("plenty")
@pytest.mark.parametrize(
    ("files", "granted"),
    [
        ({}, 64),
        ({"sys/fs/cgroup/job/step/cpu.max": "max 100000\n"}, 64),
        ({"sys/fs/cgroup/job/step/cpu.max": "150000 100000\n"}, 1.5),
        (
            {
                "sys/fs/cgroup/job/cpu.max": "400000 100000\n",
                "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
            },
            4,
        ),
        (
            {
                "sys/fs/cgroup/job/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/job/step/cpu.max": "800000 100000\n",
            },
            2,
        ),
        ({"sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),
    ],
)
def test_version_2(tmp_path: Path, files: dict[str, str], granted: float) -> None:
    (tmp_path / "sys/fs/cgroup/job/step").mkdir(parents=True)
    root = tree(
        tmp_path, {"proc/self/cgroup": "0::/job/step\n", "proc/self/mountinfo": V2_MOUNT, **files}
    )
    assert machine.granted_cpus(root) == granted


@pytest.mark.usefixtures("plenty")
@pytest.mark.parametrize(
    ("mounted", "folder", "quota", "granted"),
    [
        ("/", "slurm/job_1", 400_000, 4),
        ("/", "slurm/job_1", -1, 64),
        ("/docker/abc", "", 250_000, 2.5),  # in a container: its own group is the mount
        ("/", "", 100_000, 1),  # and here its path is the host's, which does not exist inside
    ],
)
def test_version_1(tmp_path: Path, mounted: str, folder: str, quota: int, granted: float) -> None:
    path = (
        f"{mounted}/{folder}".replace("//", "/")
        if folder or mounted != "/"
        else "/docker/elsewhere"
    )
    group = f"sys/fs/cgroup/cpu,cpuacct/{folder}"
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": f"5:cpuset:/other\n4:cpu,cpuacct:{path}\n0::/\n",
            "proc/self/mountinfo": V1_MOUNT.format(root=mounted),
            f"{group}/cpu.cfs_quota_us": f"{quota}\n",
            f"{group}/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.granted_cpus(root) == granted


@pytest.mark.usefixtures("plenty")
def test_what_is_handed_out_is_what_the_record_calls_granted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota of a control group of version 1 limits the room of local backends as well."""
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/\n",
        "proc/self/mountinfo": V1_MOUNT.format(root="/"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    granted = machine.granted_cpus(tree(tmp_path, files))
    monkeypatch.setattr(machine, "granted_cpus", lambda: granted)
    assert Room.here().cpus == 2
    assert device.describe(Expectation(cpus=4), "cpu")["cpus_granted"] == 2


@pytest.mark.parametrize(
    ("cgroup", "mount", "files", "limit"),
    [
        ("0::/job/step", V2_MOUNT, {"job/memory.max": "max", "job/step/memory.max": "max"}, None),
        ("0::/job/step", V2_MOUNT, {"job/memory.max": "1000", "job/step/memory.max": "max"}, 1000),
        ("4:memory:/", MEMORY_V1_MOUNT, {"memory/memory.limit_in_bytes": "2000"}, 2000),
        ("4:memory:/", MEMORY_V1_MOUNT, {"memory/memory.limit_in_bytes": str(2**63 - 4096)}, None),
        ("0::/", "", {}, None),
    ],
)
def test_memory_is_limited_by_the_tightest_group(
    tmp_path: Path, cgroup: str, mount: str, files: dict[str, str], limit: int | None
) -> None:
    (tmp_path / "sys/fs/cgroup/job/step").mkdir(parents=True)
    proc = {"proc/self/cgroup": f"{cgroup}\n", "proc/self/mountinfo": mount}
    groups = {f"sys/fs/cgroup/{name}": f"{text}\n" for name, text in files.items()}
    root = tree(tmp_path, proc | groups)
    assert machine.memory_bytes(root) == (limit or machine.installed_bytes())


def test_affinity_is_a_limit_of_its_own(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert machine.granted_cpus(tmp_path) == 1
        assert machine.granted_cpus() <= 1
    finally:
        os.sched_setaffinity(0, before)
    assert machine.granted_cpus(tmp_path) == len(before)


def test_this_machine() -> None:
    assert 0 < machine.granted_cpus() <= (os.cpu_count() or 1)
    assert machine.cpu_model()
    assert 10**8 < machine.memory_bytes() <= machine.installed_bytes()


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert machine.cpu_model(tmp_path) is None


def test_an_empty_list_of_gpus_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpus() == ()


def test_cuda_stops_reading_at_what_is_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles,0")
    assert machine.gpus() == ()


@pytest.mark.parametrize(
    ("cut", "name", "model"),
    [(True, "NVIDIA A30 MIG 1g.6gb", "a30-mig-1g.6gb"), (False, "NVIDIA A30", "a30")],
)
def test_a_card_cut_into_slices_is_the_first_of_them(
    monkeypatch: pytest.MonkeyPatch, cut: bool, name: str, model: str
) -> None:
    """As CUDA takes it, where an index stands for it; NVML's answers are made up here."""

    def slice_of(_card: str, index: int) -> str:
        if index == 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return "NVIDIA A30 MIG 1g.6gb"

    answers: dict[str, Any] = {
        "Count": lambda: 1,
        "HandleByIndex": lambda _index: "NVIDIA A30",
        "MigMode": lambda _card: [int(cut), int(cut)],
        "MaxMigDeviceCount": lambda _card: 4,
        "MigDeviceHandleByIndex": slice_of,
        "MemoryInfo": lambda _handle: SimpleNamespace(total=6e9),
        "Name": lambda handle: handle,
        "UUID": lambda _handle: "MIG-1",
    }
    for question, answer in answers.items():
        monkeypatch.setattr(pynvml, f"nvmlDeviceGet{question}", answer)
    monkeypatch.setattr(machine, "_nvml_started", lambda: True)
    seen = machine._visible_gpus.__wrapped__("0")
    assert [(one.name, one.model, one.memory_bytes) for one in seen] == [(name, model, 6 * 10**9)]


@pytest.mark.parametrize(
    ("product", "model"),
    [
        ("NVIDIA A30", "a30"),
        ("Tesla T4", "t4"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA GeForce RTX 3080 Ti", "rtx3080ti"),
        ("NVIDIA TITAN V", "nvidia-titan-v"),
        ("NVIDIA A30 MIG 1g.6gb", "a30-mig-1g.6gb"),
    ],
)
def test_a_gpus_model_is_the_word_people_use(product: str, model: str) -> None:
    assert machine.model_of(product) == model
