"""One submit at a time per sweep, between real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.errors import SweepBusy
from runner.sweep.lock import is_held, sweep_lock

HOLD = """
import sys
from pathlib import Path
from runner.sweep.lock import sweep_lock
with sweep_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "toy"


def test_a_second_process_is_told_who_holds_it(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_held(folder)
        with pytest.raises(SweepBusy, match=f"process {other.pid}"), sweep_lock(folder):
            pass
        other.communicate("")
    assert not is_held(folder)
    with sweep_lock(folder):
        assert is_held(folder)


def test_a_killed_holder_gives_it_back(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    with sweep_lock(folder, wait_s=10):
        pass


def test_a_sweep_that_was_never_locked_is_free_and_untouched(folder: Path) -> None:
    assert not is_held(folder)
    assert not folder.exists()
