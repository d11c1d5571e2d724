"""The grant is read from the kernel: affinity, and the quotas of control groups of both
versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs.measure import cpus

V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = (
    "33 32 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
)


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
    assert cpus.granted(root) == granted


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
    assert cpus.granted(root) == granted


def test_affinity_is_a_limit_of_its_own(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cpus.granted(tmp_path) == 1
        assert cpus.granted() <= 1
    finally:
        os.sched_setaffinity(0, before)
    assert cpus.granted(tmp_path) == len(before)


def test_this_machine() -> None:
    assert 0 < cpus.granted() <= (os.cpu_count() or 1)
    assert cpus.model()
    assert cpus.ram_gb() > 0.1


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert cpus.model(tmp_path) is None
