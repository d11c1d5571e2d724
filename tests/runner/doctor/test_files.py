"""What the runner asks of the store's file system, tried out."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from artifacts.errors import StoreNotWritable
from artifacts.store import _check_links
from runner.doctor.files import check_file_system
from runner.errors import LocksMissing
from runner.sweep.lock import sweep_lock


def test_a_file_system_that_can_do_it_all_is_left_as_it_was(tmp_path: Path) -> None:
    assert check_file_system(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_hard_links(tmp_path: Path) -> None:
    # Of those that every Linux has, message queues are files that cannot be linked.
    if subprocess.run(
        ["mount", "-t", "mqueue", "none", tmp_path], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine does not allow mounts")
    try:
        [finding] = check_file_system(tmp_path)
        assert "makes no hard links" in finding.what
        (tmp_path / "probe").touch()
        with pytest.raises(StoreNotWritable, match="makes no hard links"):
            _check_links(tmp_path / "probe")
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file system at hand is without; Lustre that is mounted without -o flock answers so."""

    def refused(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refused)
    [finding] = check_file_system(tmp_path)
    assert "has no locks (flock: Function not implemented)" in finding.what
    with pytest.raises(LocksMissing, match="-o flock"), sweep_lock(tmp_path / "toy"):
        pass
