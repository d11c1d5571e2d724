"""Array tasks as SLURM writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.slurm.indices import read_indices, read_job, write_indices


@pytest.mark.parametrize(
    ("written", "job"),
    [
        ("123", ("123", [])),
        ("123_4", ("123", [4])),
        ("123_[0-3]", ("123", [0, 1, 2, 3])),
        ("123_[4-6%2]", ("123", [4, 5, 6])),
        ("123_[0,2,6-8%16]", ("123", [0, 2, 6, 7, 8])),
        ("123_[0-8:4]", ("123", [0, 4, 8])),
        ("123_[0,2,6,14,...]", ("123", [0, 2, 6, 14])),
    ],
)
def test_what_squeue_and_sacct_print(written: str, job: tuple[str, list[int]]) -> None:
    assert read_job(written) == job


@pytest.mark.parametrize("written", ["123.batch", "123_4.0", "123_4.extern", "JOBID", ""])
def test_steps_and_headings_are_no_jobs(written: str) -> None:
    assert read_job(written) is None


@given(st.sets(st.integers(0, 500)))
def test_what_is_written_is_read_again(indices: set[int]) -> None:
    assert read_indices(write_indices(indices)) == sorted(indices)


def test_neighbors_are_joined() -> None:
    assert write_indices([7, 0, 1, 2, 9, 8, 4]) == "0-2,4,7-9"
