"""An attempt is watched from outside, and a short one is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster import machine
from cluster.machine import Gpu
from jobs.measure.energy import Rapl
from jobs.measure.load import CpuTimes
from jobs.measure.readings import Readings
from jobs.measure.sampler import SETTLE_S, Sampler
from tests.patience import PATIENCE_S


def watch(sampler: Sampler) -> None:
    """Until the sampler has looked long enough to say something."""
    until = time.monotonic() + PATIENCE_S
    while sampler.readings().disturbed_by is None:
        assert time.monotonic() < until, "it never looks"
        time.sleep(SETTLE_S)


@pytest.fixture
def strangers() -> Iterator[None]:
    """As many busy processes as there are CPUs, none of them a descendant of this one."""
    count = len(os.sched_getaffinity(0))
    busy = (
        "import os, time\nos.write(1, b'%d\\n' % os.getpid())\nend = time.time() + "
        f"{PATIENCE_S}\nwhile time.time() < end: pass"
    )
    # The shell in between ends at once, so that nobody knows any more who started them.
    reading, writing = os.pipe()
    subprocess.run(
        ["sh", "-c", f'for i in $(seq {count}); do "$0" -c "$1" & done', sys.executable, busy],
        stdout=writing,
        check=True,
    )
    os.close(writing)
    with os.fdopen(reading) as lines:
        pids = [int(lines.readline()) for _ in range(count)]
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, 9)


@pytest.mark.usefixtures("strangers")
def test_a_stranger_on_the_cpus_disturbs() -> None:
    with Sampler((), 0, len(os.sched_getaffinity(0))) as sampler:
        watch(sampler)
    assert [
        reason
        for reason in sampler.readings().disturbed_by or []
        if reason.startswith("host load beyond the trial's own")
    ]


@pytest.mark.usefixtures("strangers")
def test_a_running_attempt_tells_what_it_saw_so_far() -> None:
    with Sampler((), 0, len(os.sched_getaffinity(0))) as sampler:
        watch(sampler)
        assert sampler.readings().disturbed_by


def test_short_attempts_are_not_watched_and_share_one_thread() -> None:
    for _ in range(20):
        with Sampler((), 0, 1) as sampler:
            pass
    assert sampler.readings() == Readings()
    assert sampler.columns() == {}
    assert [thread.name for thread in threading.enumerate()].count("sampler") == 1


def test_an_exception_comes_through() -> None:
    with pytest.raises(ValueError, match="the trial's"), Sampler((), 0, 1):
        raise ValueError("the trial's")


def test_a_forked_process_is_watched_too() -> None:
    with Sampler((), 0, 1):
        pass
    child = os.fork()
    if child == 0:
        with Sampler((), 0, 1) as sampler:
            watch(sampler)
        os._exit(0 if sampler.readings().disturbed_by is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_cannot_be_measured_is_missing_and_not_zero() -> None:
    with Sampler((), 0, 1) as sampler:
        watch(sampler)
    assert sampler.readings().disturbed_by is not None
    assert 0 not in sampler.columns().values()
    assert not [name for name in sampler.columns() if name.startswith("gpu")]


class Bench:
    """A sampler on a clock that is moved by hand, with one GPU that counts how often it was
    read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, packages: Path) -> None:
        self.at, self.read, self.packages = 100.0, 0, packages
        self.says, self.answered = ["other processes on the GPU"], True
        monkeypatch.setattr(
            "jobs.measure.sampler.time",
            SimpleNamespace(monotonic=lambda: self.at, sleep=time.sleep),
        )
        monkeypatch.setattr("jobs.measure.sampler.cpu_times", lambda: CpuTimes(0, 0, 0))
        monkeypatch.setattr(
            "jobs.measure.sampler._watcher",
            SimpleNamespace(begin=lambda _sampler: None, end=lambda: None, held=nullcontext),
        )
        monkeypatch.setattr("jobs.measure.sampler.GpuWatch", lambda _gpus, _share: self)
        monkeypatch.setattr("jobs.measure.energy.Rapl", lambda: Rapl(packages))
        self.counter_at(1)
        self.sampler = Sampler((Gpu(None, "Tesla T4", "GPU-0", 16 * 10**9),), 1, 1)

    def counter_at(self, joules: int) -> None:
        package = self.packages / "intel-rapl:0"
        package.mkdir(exist_ok=True)
        (package / "name").write_text("package-0")
        (package / "energy_uj").write_text(f"{joules}000000")

    def tick(self, seconds: float) -> None:
        self.at += seconds
        self.sampler.tick()

    def sample(self) -> None:
        self.read += 1

    def columns(self) -> dict[str, Any]:
        return {"gpu_energy_j": 7.0, "gpu_power_w": 70.0}

    def disturbances(self) -> list[str]:
        return self.says


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    return Bench(monkeypatch, tmp_path)


def test_nothing_is_read_before_the_attempt_has_settled(bench: Bench) -> None:
    with bench.sampler:
        bench.tick(0.24)
        assert bench.sampler.readings() == Readings()
    assert bench.sampler.columns() == {}
    assert bench.read == 0


def test_a_look_that_was_too_short_is_no_all_clear(bench: Bench) -> None:
    bench.says = []
    with bench.sampler:
        bench.tick(0.25)
        bench.at += 0.24
        assert bench.sampler.readings().disturbed_by is None
        bench.at += 0.01
        assert bench.sampler.readings().disturbed_by == []


def test_it_reads_about_once_a_second_and_at_the_end(bench: Bench) -> None:
    with bench.sampler:
        for _ in range(40):
            bench.tick(0.25)
        assert bench.read == 9
    assert bench.read == 10


def test_energy_is_counted_up_to_the_end(bench: Bench) -> None:
    with bench.sampler:
        bench.tick(0.25)
        bench.counter_at(4)
        bench.at += 0.5
        assert bench.sampler.readings().energy_j == {"cpu_energy_j": 3.0, "gpu_energy_j": 7.0}
        bench.counter_at(6)
    assert bench.sampler.readings().energy_j == {"cpu_energy_j": 5.0, "gpu_energy_j": 7.0}
    assert bench.sampler.columns() == {
        "cpu_energy_j": 5.0,
        "cpu_energy_source": "RAPL, whole packages",
        "gpu_energy_j": 7.0,
        "gpu_power_w": 70.0,
    }


@pytest.mark.parametrize(
    ("says", "answered", "told"),
    [(["hot"], True, ["hot"]), (["hot"], False, ["hot"]), ([], True, []), ([], False, None)],
)
def test_a_gpu_left_unused_says_nothing_of_the_trial(
    bench: Bench, says: list[str], answered: bool, told: list[str] | None
) -> None:
    bench.says, bench.answered = says, answered
    with bench.sampler:
        bench.tick(0.25)
        bench.at += 1
    assert bench.sampler.readings() == Readings(told, {"cpu_energy_j": 0.0, "gpu_energy_j": 7.0})
    assert bench.sampler.readings(of_gpu=False) == Readings([], {"cpu_energy_j": 0.0})


@pytest.mark.gpu
def test_a_real_gpu_is_read() -> None:
    seen = machine.gpus()
    if not seen:
        pytest.skip("no NVIDIA GPU on this machine")
    with Sampler(seen[:1], 1, 1, interval_s=0.2) as sampler:
        watch(sampler)
    columns = sampler.columns()
    assert columns["gpu_energy_j"] > 0
    assert columns["gpu_power_w"] > 1
    assert 0 <= columns["gpu_utilization"] <= 1
    assert 10 < columns["gpu_temperature_c"] < 110
