"""The variables that tell numeric libraries how many threads to start."""

from __future__ import annotations

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def thread_environment(cpus: int) -> dict[str, str]:
    """Return the variables for a task that was granted so many CPUs: as many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(cpus))
