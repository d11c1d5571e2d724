"""Threads follow the grant: two trials side by side with a machine's worth of threads each run
slower than one after another."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import Any

import threadpoolctl

from jobs.measure import loaded_torch

VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def limit(threads: int) -> None:
    """Let BLAS, OpenMP and torch compute with this many threads, those loaded already and those yet
    to be.

    Called for every trial: whoever ran before may have set another number.
    """
    for variable in VARIABLES:
        os.environ[variable] = str(threads)
    for pool in _pools():
        if pool.num_threads != threads:
            pool.set_num_threads(threads)
    loaded_torch.set_threads(threads)


def used() -> int | None:
    """Return the threads that the loaded libraries are set to: torch's, else the most of any pool;
    None where none is loaded."""
    torch = loaded_torch.module()
    if torch is not None:
        return int(torch.get_num_threads())
    return max((pool.num_threads for pool in _pools() if pool.num_threads), default=None)


def _pools() -> list[Any]:
    """The thread pools of the loaded libraries; none before NumPy, which the variables reach when
    it is loaded."""
    return _pools_among(len(sys.modules)) if "numpy" in sys.modules else []


@lru_cache(maxsize=1)
def _pools_among(_modules: int) -> list[Any]:
    """Looking through the loaded libraries takes milliseconds, and only an import adds any."""
    return list(threadpoolctl.ThreadpoolController().lib_controllers)
