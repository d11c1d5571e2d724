"""The peak is read in the kernel's unit and told in the record's."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.measure import memory
from jobs.measure.memory import PeakMemory


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /proc/self."""
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "clear_refs")
    set_peak(tmp_path, 3_000_000)
    return tmp_path


def set_peak(proc: Path, kib: int) -> None:
    (proc / "status").write_text(
        f"Name:\tpython\nVmPeak:\t 9999999 kB\nVmHWM:\t {kib} kB\nVmRSS:\t    1000 kB\n"
    )


def test_the_kernels_kilobytes_are_gibibytes_of_the_record(proc: Path) -> None:
    peak = PeakMemory()
    assert (proc / "clear_refs").read_text() == "5"
    set_peak(proc, 3 * 2**19)
    assert peak.gb() == pytest.approx(1.5)


def test_a_mark_that_cannot_be_reset_may_be_an_earlier_trials(proc: Path) -> None:
    (proc / "clear_refs").mkdir()
    peak = PeakMemory()
    assert peak.gb() is None
    set_peak(proc, 4 * 2**20)
    assert peak.gb() == pytest.approx(4)


def test_a_kernel_that_does_not_tell(proc: Path) -> None:
    (proc / "status").unlink()
    assert PeakMemory().gb() is None
