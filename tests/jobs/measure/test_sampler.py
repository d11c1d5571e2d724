"""An attempt is watched from outside, and a short one is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from jobs.measure import gpus
from jobs.measure.readings import Readings
from jobs.measure.sampler import SETTLE_S, Sampler

WATCHED_S = 4 * SETTLE_S


@pytest.fixture
def strangers() -> Iterator[None]:
    """As many busy processes as there are CPUs, none of them a descendant of this one."""
    count = len(os.sched_getaffinity(0))
    busy = "import os, time\nos.write(1, b'%d\\n' % os.getpid())\nend = time.time() + 20\nwhile time.time() < end: pass"
    # The shell in between ends at once, so that nobody knows any more who started them.
    reading, writing = os.pipe()
    subprocess.run(["sh", "-c", f'for i in $(seq {count}); do "$0" -c "$1" & done', sys.executable, busy], stdout=writing, check=True)
    os.close(writing)
    with os.fdopen(reading) as lines:
        pids = [int(lines.readline()) for _ in range(count)]
        yield
        for pid in pids:
            os.kill(pid, 9)


@pytest.mark.usefixtures("strangers")
def test_a_stranger_on_the_cpus_disturbs() -> None:
    with Sampler((), 0, len(os.sched_getaffinity(0))) as sampler:
        time.sleep(WATCHED_S)
    assert [reason for reason in sampler.readings().disturbed_by or [] if reason.startswith("host load beyond the trial's own")]


@pytest.mark.usefixtures("strangers")
def test_a_running_attempt_tells_what_it_saw_so_far() -> None:
    with Sampler((), 0, len(os.sched_getaffinity(0))) as sampler:
        assert sampler.readings() == Readings()
        time.sleep(WATCHED_S)
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
            time.sleep(WATCHED_S)
        os._exit(0 if sampler.readings().disturbed_by is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_cannot_be_measured_is_missing_and_not_zero() -> None:
    with Sampler((), 0, 1) as sampler:
        time.sleep(WATCHED_S)
    assert sampler.readings().disturbed_by is not None
    assert 0 not in sampler.columns().values()
    assert not [name for name in sampler.columns() if name.startswith("gpu")]


@pytest.mark.gpu
def test_a_real_gpu_is_read() -> None:
    seen = gpus.visible()
    if not seen:
        pytest.skip("no NVIDIA GPU on this machine")
    with Sampler(seen[:1], 1, 1, interval_s=0.2) as sampler:
        time.sleep(WATCHED_S)
    columns = sampler.columns()
    assert columns["gpu_energy_j"] > 0
    assert columns["gpu_power_w"] > 1
    assert 0 <= columns["gpu_utilisation"] <= 1
    assert 10 < columns["gpu_temperature_c"] < 110
