"""What the tasks of these tests do on their node."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

from cluster.errors import Requeue
from cluster.signals import WARNING, stop_requested
from cluster.slurm.requeue import restarts, task_end
from tests.cluster.tasks import LONG_S

_PROCESS = {
    "fork": multiprocessing.get_context("fork").Process,
    "spawn": multiprocessing.get_context("spawn").Process,
}


def write_environment(folder: str, index: int) -> None:
    """Leave what this task was given in a file of its own; the file tells if the same call is made
    twice."""
    with (Path(folder) / f"{index}.json").open("x") as file:
        json.dump(dict(os.environ), file)


def nothing(index: int) -> None:
    """End at once."""


def linger(index: int) -> None:
    """Compute until it is ended."""
    while not stop_requested():
        time.sleep(0.1)


def take_memory(mebibytes: int, index: int) -> None:
    held = bytearray(mebibytes * 2**20)
    for page in range(0, len(held), 4096):
        held[page] = 1
    time.sleep(LONG_S)


def work_until_told(folder: str, index: int) -> None:
    """Work on and on, a step at a time; told to stop, say what becomes of the task, and ask to go
    on later. The second run ends."""
    diary = Path(folder) / f"{index}.diary"
    if restarts():
        _note(diary, "resumed")
        return
    _note(diary, "began")
    while not stop_requested():
        time.sleep(0.05)
    _note(diary, task_end())
    raise Requeue


def never_finish(folder: str, index: int) -> None:
    """Ask to go on later each time it is told to stop."""
    diary = Path(folder) / f"{index}.diary"
    _note(diary, f"run {restarts()}")
    while not stop_requested():
        time.sleep(0.05)
    _note(diary, task_end())
    raise Requeue


def end_the_second_time(folder: str, index: int) -> None:
    """Run for long, but only the first time."""
    _note(Path(folder) / f"{index}.diary", "resumed" if restarts() else "began")
    if not restarts():
        time.sleep(LONG_S)


def have_children(folder: str, index: int) -> None:
    """Have helpers, forked and executed, as a data loader has; told to stop, say whether they live,
    and end them."""
    diary = Path(folder) / f"{index}.diary"
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    helpers = [_PROCESS[how](target=_help, args=(f"{diary}.{how}",)) for how in ("fork", "spawn")]
    for helper in helpers:
        helper.start()
    while not all(Path(f"{diary}.{how}").exists() for how in _PROCESS):
        time.sleep(0.05)
    _note(diary, "began")
    while not stop_requested() or any(
        helper.is_alive() and not _has_pending(helper.pid) for helper in helpers
    ):
        time.sleep(0.05)
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


def _help(mark: str) -> None:
    Path(mark).touch()
    time.sleep(LONG_S)


def _has_pending(pid: int | None) -> bool:
    """Whether the warning has reached that process, which has it blocked."""
    lines = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return bool((int(lines["SigPnd"], 16) | int(lines["ShdPnd"], 16)) & 1 << (WARNING - 1))


def _work_and_note(folder: str, index: int) -> None:
    try:
        work_until_told(folder, index)
    except Requeue:
        _note(Path(folder) / f"{index}.diary", "the child wants to go on")


def _note(diary: Path, line: str) -> None:
    with diary.open("a") as file:
        file.write(f"{line}\n")
