"""BLAS and torch compute with as many threads as were granted, whatever the trial before them
did."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import numpy, threadpoolctl
numpy.ones((2, 2)) @ numpy.ones((2, 2))
from jobs.measure import loaded_torch, threads
pools = lambda: {pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'}
threads.limit(3)
assert pools() == {3}, pools()
assert loaded_torch.module() is None
import torch
threads.limit(3)
assert torch.get_num_threads() == 3
torch.set_num_threads(1)
threads.limit(3)
assert torch.get_num_threads() == 3
threads.limit(2)
assert (pools(), torch.get_num_threads()) == ({2}, 2), pools()
threadpoolctl.threadpool_limits(1)
assert threads.used() == 1
threads.limit(2)
assert (pools(), threads.used()) == ({2}, 2), pools()
import os
assert os.environ['OMP_NUM_THREADS'] == '2'
print('held')
"""


def test_threads_follow_the_grant() -> None:
    """In a process of its own: the settings outlive the test."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "4"}
    assert (
        subprocess.check_output([sys.executable, "-c", CODE], env=environment, text=True)
        == "held\n"
    )
