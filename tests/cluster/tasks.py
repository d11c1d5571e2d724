"""What the suite's tasks do: at the top of a module, as everything that travels to a worker must
be."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from cluster.errors import ProcessSpent, Requeue, TaskError
from cluster.signals import stop_requested
from tests.patience import PATIENCE_S

LONG_S = 2 * PATIENCE_S
"""Longer than any test waits: what takes so long ends because it is ended."""


def nothing(index: int) -> None:
    """A task as short as can be."""


def leave_a_mark(folder: str, index: int) -> None:
    """Append a line to the task's own file: how often it ran is how many lines there are."""
    with (Path(folder) / str(index)).open("a") as file:
        file.write(f"{os.getpid()}\n")


def fail_on(bad: int, index: int) -> None:
    if index == bad:
        raise ValueError(f"task {index} is the bad one")


class OutOfPaper(TaskError):
    """A reason that whoever submitted the task knows by its code."""

    code = 42


def fail_with_a_code(bad: int, index: int) -> None:
    if index == bad:
        raise OutOfPaper


def spend_the_process(folder: str, bad: int, index: int) -> None:
    """One task leaves a process that cannot compute any more."""
    leave_a_mark(folder, index)
    if index == bad:
        raise ProcessSpent


def run_out_of_memory(bad: int, index: int) -> None:
    if index == bad:
        raise MemoryError("cannot allocate 3 TB")


def end_the_process(how: str, bad: int, index: int) -> None:
    """One task takes its process down, in the way named."""
    if index != bad:
        return
    match how:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            faulthandler._sigsegv()  # type: ignore[attr-defined]
        case "abort":
            os.abort()
        case "exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(3)


def sleep_on(bad: int, index: int) -> None:
    """One task computes until it is ended."""
    if index == bad:
        time.sleep(LONG_S)


def wait_for_file(gate: str, index: int) -> None:
    """Wait until the file is there, or somebody wants the task to end."""
    while not (Path(gate).exists() or stop_requested()):
        time.sleep(0.02)


def wait_on(bad: int, gate: str, index: int) -> None:
    """One task waits for the file."""
    if index == bad:
        wait_for_file(gate, index)


def linger(index: int) -> None:
    """Take a while, so that an array of thousands is not through before a test is, however fast the
    machine."""
    time.sleep(0.2)


def wait_to_be_stopped(folder: str, heed: bool, index: int) -> None:
    """Run until asked to stop, and on if ``heed`` is false."""
    (Path(folder) / f"began-{index}").touch()
    while not (heed and stop_requested()):
        time.sleep(0.01)
    raise Requeue


def linger_if_even(folder: str, index: int) -> None:
    """Every other task does not end by itself."""
    (Path(folder) / f"began-{index}").touch()
    if index % 2 == 0:
        time.sleep(LONG_S)


def hold_memory(bad: int, mebibytes: int, index: int) -> None:
    if index == bad:
        held = bytearray(os.urandom(2**20)) * mebibytes
        time.sleep(LONG_S)
        del held


def tell_environment(file: str, index: int) -> None:
    """Write down what the process was given."""
    Path(file).write_text(json.dumps(dict(os.environ)))


def count_threads(file: str, index: int) -> None:
    """Write down how many threads each numeric library would use."""
    import numpy  # noqa: F401  # the library that is counted
    import sklearn.utils  # noqa: F401
    import threadpoolctl

    Path(file).write_text(
        json.dumps([library["num_threads"] for library in threadpoolctl.threadpool_info()])
    )


def start_a_child(folder: str, index: int) -> None:
    """Leave a grandchild of the driver running, and wait."""
    child = subprocess.Popen(["sleep", str(LONG_S)])
    (Path(folder) / "child").write_text(str(child.pid))
    time.sleep(LONG_S)


def warm_up(folder: str) -> None:
    """Note that a worker was warmed."""
    (Path(folder) / f"warm-{os.getpid()}").touch()


def fail_to_warm_up() -> None:
    raise RuntimeError("no such dataset")


def die_warming_up() -> None:
    os._exit(1)


def raise_keyboard_interrupt(index: int) -> None:
    raise KeyboardInterrupt
