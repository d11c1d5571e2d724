"""What the tasks of these tests do on their node."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from pathlib import Path

from cluster.errors import Requeue
from cluster.signals import stop_requested
from cluster.slurm_requeue import fate, restarts, spare_forks

_PROCESS = {"fork": multiprocessing.get_context("fork").Process, "spawn": multiprocessing.get_context("spawn").Process}


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


def have_children(folder: str, index: int) -> None:
    """Have helpers, forked and executed, as a data loader has; told to stop, say whether they live, and end them."""
    diary = Path(folder) / f"{index}.diary"
    spare_forks()
    helpers = [_PROCESS[how](target=time.sleep, args=(60,)) for how in ("fork", "spawn")]
    for helper in helpers:
        helper.start()
    _note(diary, "began")
    while not stop_requested():
        time.sleep(0.05)
    time.sleep(0.5)
    for helper in helpers:
        _note(diary, f"alive: {helper.is_alive()}")
        helper.terminate()
        helper.join()
        _note(diary, f"ended by signal {-(helper.exitcode or 0)}")


def work_in_a_child(folder: str, index: int) -> None:
    """Like `work_until_told`, in a process forked from the one that SLURM started."""
    child = _PROCESS["fork"](target=_work_and_note, args=(folder, index))
    child.start()
    child.join()
    if not restarts():
        raise Requeue


def _work_and_note(folder: str, index: int) -> None:
    try:
        work_until_told(folder, index)
    except Requeue:
        _note(Path(folder) / f"{index}.diary", "the child wants to go on")


def _note(diary: Path, line: str) -> None:
    with diary.open("a") as file:
        file.write(f"{line}\n")
