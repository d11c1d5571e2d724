"""The streams of random numbers that a trial draws from.

Those of ours are independent ones from the trial's seed. A stream is named by what it is for and by
the epoch, so that any of them can be begun anew: a resumed trial needs no state of it, and the
order of the images is the same on every device, with every loader and for every number of worker
processes. A model draws from the process's own generators (dropout, and whatever a user's does),
whose states can be taken and put back.
"""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import torch


def stream(seed: int, purpose: str, epoch: int) -> torch.Generator:
    """Return a CPU generator at the start of the named stream."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return torch.Generator().manual_seed(
        int.from_bytes(digest[:4], "little")
    )  # the generator keeps 32 bits


def begin(seed: int) -> None:
    """Seed the process's generators."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def states(device: torch.device) -> dict[str, Any]:
    """Return where the process's generators are, as tensors and plain values."""
    numbers: dict[str, Any] = dict(np.random.get_state(legacy=False))
    key, pos = numbers["state"]["key"], numbers["state"]["pos"]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "python": random.getstate(),
        "numpy": (
            torch.from_numpy(key.astype(np.int64)),
            pos,
            numbers["has_gauss"],
            numbers["gauss"],
        ),
    }


def restore(states: dict[str, Any], device: torch.device) -> None:
    """Bring them back to where they were."""
    torch.set_rng_state(states["torch"])
    if device.type == "cuda" and states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"], device)
    random.setstate(states["python"])
    key, *rest = states["numpy"]
    np.random.set_state(("MT19937", key.numpy().astype(np.uint32), *rest))
