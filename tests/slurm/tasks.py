"""What the tasks of these tests do on their node."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from cluster.errors import Requeue
from cluster.signals import stop_requested
from cluster.slurm_requeue import fate, restarts


def write_environment(folder: str, index: int) -> None:
    """Leave what this task was given in a file of its own; the file tells if the same call is made twice."""
    with (Path(folder) / f"{index}.json").open("x") as file:
        json.dump(dict(os.environ), file)


def sleep(seconds: float, index: int) -> None:
    time.sleep(seconds)


def take_memory(mebibytes: int, index: int) -> None:
    held = bytearray(mebibytes * 2**20)
    for page in range(0, len(held), 4096):
        held[page] = 1
    time.sleep(60)


def work_until_told(folder: str, index: int) -> None:
    """Work on and on, a step at a time; told to stop, say what becomes of the task, and ask to go on later. The second run ends."""
    diary = Path(folder) / f"{index}.diary"
    if restarts():
        _note(diary, "resumed")
        return
    _note(diary, "began")
    while not stop_requested():
        time.sleep(0.05)
    _note(diary, fate())
    raise Requeue


def never_finish(folder: str, index: int) -> None:
    """Ask to go on later each time it is told to stop."""
    diary = Path(folder) / f"{index}.diary"
    _note(diary, f"run {restarts()}")
    while not stop_requested():
        time.sleep(0.05)
    _note(diary, fate())
    raise Requeue


def end_the_second_time(folder: str, index: int) -> None:
    """Run for long, but only the first time."""
    _note(Path(folder) / f"{index}.diary", "resumed" if restarts() else "began")
    if not restarts():
        time.sleep(600)


def _note(diary: Path, line: str) -> None:
    with diary.open("a") as file:
        file.write(f"{line}\n")
