"""Workloads that do one thing each: end well, fail, die, linger."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from jobs.context import Context
from jobs.errors import StopRequested
from jobs.measure import loaded_torch


def quick(width: int = 1, seed: int = 0) -> dict[str, float]:
    """Ends at once."""
    return {"doubled": 2.0 * width + seed}


def counted(context: Context, tally: str, width: int = 1) -> dict[str, int]:
    """Leaves a line in a file for every time it really runs."""
    with Path(tally).open("a") as file:
        file.write(f"{context.trial}\n")
    return {"doubled": 2 * width}


def held(context: Context, tally: str, gate: str, width: int = 1) -> dict[str, int]:
    """Leaves a line, and from width 4 on waits until the file ``gate`` exists."""
    counted(context, tally, width)
    while width >= 4 and not Path(gate).exists():
        if context.stop_requested():
            raise StopRequested
        time.sleep(0.02)
    return {"doubled": 2 * width}


def saving(context: Context, gate: str, width: int = 1) -> dict[str, int]:
    """Waits until the file ``gate`` exists, and keeps in a checkpoint how often it was asked to
    stop before."""
    saved = context.checkpoint_folder / "stops"
    stops = int(saved.read_text()) if saved.exists() else 0
    context.files.joinpath("began").touch()
    while not Path(gate).exists():
        if context.stop_requested():
            saved.write_text(str(stops + 1))
            raise StopRequested
        time.sleep(0.02)
    return {"stops": stops}


def moody(width: int, tally: str) -> dict[str, int]:
    """Fails in its own way for each odd width; the first time only, where the name says so."""
    with Path(tally).open("a") as file:
        file.write(f"{width}\n")
    if width == 1:
        raise ValueError("width one is not to my liking")
    if width == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if width == 5:
        ctypes.string_at(0)
    if width == 7:
        raise MemoryError
    return {"doubled": 2 * width}


def faulty(width: int, tally: str) -> dict[str, int]:
    """At a width that ends in one the GPU faults, and answers nothing in this process any more;
    there is none here, so that is made up."""

    class Faulted:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("CUDA error: device-side assert triggered")

    with Path(tally).open("a") as file:
        file.write(f"{width}\n")
    if width % 10 == 1:
        loaded_torch.cuda = Faulted
        loaded_torch.synchronize()
    return {"doubled": 2 * width}


def patient(context: Context, gate: str, width: int = 1) -> dict[str, Any]:
    """Waits until the file ``gate`` exists."""
    context.files.joinpath("began").touch()
    while not Path(gate).exists():
        time.sleep(0.02)
    return {"doubled": 2 * width}


def hopeless(width: int, tally: str) -> None:
    """Fails at once and always in the same place, but for widths below zero."""
    with Path(tally).open("a") as file:
        file.write(f"{width}\n")
    if width >= 0:
        raise RuntimeError(f"{width} is a width like any other")


def diverging(lr: float, tally: str, model: str = "small") -> dict[str, float]:
    """Fails in one way wherever the learning rate is too high, and always for the model called
    broken."""
    with Path(tally).open("a") as file:
        file.write(f"{model}:{lr:g}\n")
    if lr > 0.5 or model == "broken":
        raise ValueError("the loss is no number any more")
    return {"score": lr}


def outlandish(case: str, *, context: Context) -> dict[str, Any]:
    """Measures what is hard to write down; every case but ``object`` is a result all the same."""
    context.report(
        {"step": 3_000_000_000, "half": 0.5}.get(case, 1),
        **{"m\udcff" if case == "name" else "m": 1.0},
    )
    if case == "raises":
        raise ValueError("\udcff\0" + "x" * 100_000)
    cases: dict[str, dict[Any, Any]] = {
        "nan": {"test_accuracy": float("nan")},
        "rounded": {"test_accuracy": 1.0000001},
        "digits": {"digits": 10**30},
        "object": {"net": object(), 1: 2},
        "name": {"r\udcff": "v\udcff", "nul\0": "\0"},
        "collision": {"c\udcff": 1, "c\\udcff": 2},
        "huge": {"text": "x" * 2**20},
    }
    return {"done": 1.0, **cases.get(case, {})}


def damaging(width: int) -> dict[str, int]:
    """Leaves its process in a state in which others cannot work, in another way for each width
    below 5."""
    print(f"width {width}", end="")
    if width == 0:
        sys.stdout.close()
    if width == 1:
        while True:
            LEAKED.append(os.open(os.devnull, os.O_RDONLY))
    if width == 2:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (10, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        )
        signal.alarm(1)
    if width == 3:
        os.umask(0o777)
        os.chdir("/")
        os.environ.clear()
    if width == 4:
        multiprocessing.set_start_method("spawn")
        raise KeyboardInterrupt
    return {"doubled": 2 * width}


def alone(width: int) -> dict[str, int]:
    """Says how many trials its process has run; only in a process of its own it may choose the
    threads of torch."""
    import torch

    torch.set_num_interop_threads(97)
    KEPT.append(width)
    return {"trials_here": len(KEPT)}


def crippling(width: int) -> dict[str, int]:
    """Takes from its process, for good, the right to write files; width 0 does not."""
    if width:
        libc, head, sets = (
            ctypes.CDLL(None),
            (ctypes.c_uint32 * 2)(0x20080522, 0),
            (ctypes.c_uint32 * 6)(),
        )
        libc.capget(head, sets)
        sets[0], sets[1] = (
            sets[0] & ~(1 << 24),
            sets[1] & ~(1 << 24),
        )  # without CAP_SYS_RESOURCE root is like anybody
        libc.capset(head, sets)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    return {"doubled": 2 * width}


LEAKED: list[int] = []
KEPT: list[int] = []


def private(context: Context, width: int = 1) -> dict[str, int]:
    """Keeps what it writes to itself."""
    os.umask(0o077)
    (context.checkpoint_folder / "theirs").write_text("x")
    return {"doubled": 2 * width}
