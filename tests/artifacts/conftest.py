"""Records that look like a trial's, and file systems that misbehave for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from artifacts.record import Record
from artifacts.store import Store

MakeRecord = Callable[..., Record]


def make_record(
    trial: str = "00000000000000aa",
    attempt: int = 1,
    *,
    outcome: str = "completed",
    sweep: str = "study",
    **more: Any,
) -> Record:
    """A record as a worker writes it; ``parameters``, ``results`` and any column can be given."""
    parameters = more.pop("parameters", {"lr": 0.001, "model": "resnet18", "epochs": 2})
    results = more.pop("results", {})
    values = {
        "workload": "train",
        "target": "cpu",
        "seed": 0,
        "outcome": outcome,
        "started_at": 1_700_000_000.25,
        "train_s": 1.5,
        "test_accuracy": 0.875,
        "node": "node7",
        "history": [
            {"epoch": 1, "train_s": 0.75, "lr": 0.001, "val_loss": 0.5},
            {"epoch": 2, "train_s": 0.75, "gradient_norm": 3.0},
        ],
    }
    return Record(sweep, trial, attempt, parameters, {**values, **more}, results)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    store = Store(tmp_path / "results")
    store.create()
    return store


class SmallDisk:
    """A file system of its own, that can be filled up and made read-only."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def fill(self, leave: int) -> None:
        """Use up the space but for some bytes."""
        free = os.statvfs(self.root).f_bavail * os.statvfs(self.root).f_frsize
        (self.root / "ballast").write_bytes(b"\0" * (free - leave))

    def free(self) -> None:
        """Give the space back."""
        (self.root / "ballast").unlink()

    def make_read_only(self) -> None:
        """Refuse all writes from now on, root's too."""
        _mount("-o", "remount,ro", str(self.root))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """One megabyte and 64 files; skips where mounting is not allowed."""
    root = tmp_path / "disk"
    root.mkdir()
    _mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=64", "tmpfs", str(root))
    try:
        yield SmallDisk(root)
    finally:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(
            "needs a file system of its own, and mounting one is not allowed here: "
            f"{done.stderr.splitlines()[0]}"
        )
