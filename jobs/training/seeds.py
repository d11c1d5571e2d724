"""Independent random streams from one trial seed.

A stream is named by what it is for and by the epoch, so that any of them can be begun anew: a resumed trial needs no state of it,
and the order of the images is the same on every device, with every loader and for every number of worker processes.
"""

from __future__ import annotations

import hashlib

import torch


def stream(seed: int, purpose: str, epoch: int) -> torch.Generator:
    """A CPU generator at the start of the named stream."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))  # the generator keeps 32 bits
