"""Workloads of the sweeps on a real SLURM: what they were given, stepwise work that can be saved,
memory that is too much."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from jobs.context import Context
from jobs.errors import StopRequested


def environment() -> dict[str, Any]:
    """What SLURM granted, as the trial sees it."""
    return {
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES", "none"),
        "partition_seen": os.environ["SLURM_JOB_PARTITION"],
    }


def stepwise(context: Context, tally: str, role: str) -> dict[str, int]:
    """Works on until it is told to stop, and saves its work: `second` ends well the second time,
    `brief` at once, all others never."""
    _note(tally, role)
    lives = sum(1 for _ in context.checkpoint_folder.iterdir()) + 1
    if role == "brief" or (role == "second" and lives > 1):
        return {"lives": lives}
    while not context.stop_requested():
        time.sleep(0.05)
    (context.checkpoint_folder / str(lives)).touch()
    raise StopRequested("told to stop")


def gated(context: Context, gate: str, tally: str, width: int = 1) -> dict[str, int]:
    """Waits until the file `gate` exists, deaf to everything else."""
    _note(tally, context.trial)
    while not Path(gate).exists():
        time.sleep(0.05)
    return {"doubled": 2 * width}


def deaf(tally: str) -> dict[str, int]:
    """Computes on in its first life, whatever it is told, and has nothing to save."""
    _note(tally, "deaf")
    while "SLURM_RESTART_COUNT" not in os.environ:
        time.sleep(0.05)
    return {"restarts": int(os.environ["SLURM_RESTART_COUNT"])}


def greedy(tally: str, gate: str, mebibytes: int) -> dict[str, int]:
    """Takes memory and touches all of it; holds much of it until the file `gate` exists."""
    _note(tally, f"greedy-{mebibytes}")
    held = bytearray(mebibytes * 2**20)
    for page in range(0, len(held), 4096):
        held[page] = 1
    while mebibytes > 100 and not Path(gate).exists():
        time.sleep(0.05)
    return {"held": len(held) // 2**20}


def leaves(tally: str, status: int) -> None:
    """Ends its process in the middle of the trial, as if all were well or as a worker asks to be
    queued again."""
    _note(tally, f"leaves-{status}")
    os._exit(status)


def _note(tally: str, line: str) -> None:
    with Path(tally).open("a") as file:
        file.write(f"{line}\n")
