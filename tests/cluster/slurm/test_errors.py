"""SLURM's errors travel between processes, and say what to do."""

from __future__ import annotations

import pickle

import pytest

from cluster.errors import (
    ClusterError,
    SubmitLimitReached,
    SubmitRefused,
    SubmitUnacknowledged,
)
from cluster.slurm.errors import SlurmCommandFailed


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (SlurmCommandFailed("squeue", "no answer"), "--backend ray"),
        (SubmitRefused("a", "no such account"), "correct the profile"),
        (SubmitLimitReached("a", 7, "AssocMaxSubmitJobLimit"), "max_submit"),
        (SubmitUnacknowledged("a", "timed out"), "submit again"),
    ],
)
def test_they_unpickle_and_name_the_fix(error: ClusterError, fix: str) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert fix in str(error)
