"""Threads follow the grant: two trials side by side with a machine's worth of threads each run slower than one after another."""

from __future__ import annotations

import os
import sys

import threadpoolctl  # type: ignore[import-untyped]

from jobs.measure import loaded_torch

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_limited_to: int | None = None


def limit(threads: int) -> None:
    """Let BLAS, OpenMP and torch compute with this many threads, those loaded already and those yet to be.

    Called for every trial, so it looks through the loaded libraries only when the number changes.
    """
    global _limited_to
    if _limited_to != threads:
        for variable in VARIABLES:
            os.environ[variable] = str(threads)
        if "numpy" in sys.modules:  # else no pool is loaded yet, and the variables reach it
            threadpoolctl.threadpool_limits(limits=threads)
        _limited_to = threads
    loaded_torch.set_threads(threads)
