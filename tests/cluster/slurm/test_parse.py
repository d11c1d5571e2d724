"""What SLURM writes is read: lines of squeue and sacct, words for states, ids of array tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.slurm.parse import (
    from_slurm,
    read_indices,
    read_job,
    sacct_rows,
    squeue_rows,
    write_indices,
)
from cluster.state import State


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("5_[2-99%2]|PENDING|0|0||0|N/A|N/A|JobArrayTaskLimit|a|", State.PENDING),
        ("5_0|RUNNING|0|0|cpu-1|0|1795364042|1795365000|None|a|", State.RUNNING),
        ("5_0|COMPLETING|0|0|cpu-1|0|1795364042|1795365000|None|a|", State.RUNNING),
        ("5_0|COMPLETED|0|0|cpu-1|0|1795364042|1795365000|None|a|", State.COMPLETED),
        ("5_0|FAILED|256|256|cpu-1|0|1795364042|1795365000|NonZeroExitCode|a|", State.FAILED),
        ("5_0|FAILED|11|35584|cpu-1|0|1795364042|1795365000|NonZeroExitCode|a|", State.CRASHED),
        ("5_0|FAILED|9|35072|cpu-1|0|1795364042|1795365000|NonZeroExitCode|a|", State.KILLED),
        (
            "5_0|FAILED|253|256|cpu-1|0|1795364042|1795365000|NonZeroExitCode|a|",
            State.OUT_OF_MEMORY,
        ),
        ("5_0|TIMEOUT|15|36608|cpu-1|0|1795364042|1795365000|TimeLimit|a|", State.TIMED_OUT),
        ("5_0|NODE_FAIL|0|1|cpu-1|0|1795364042|1795365000|None|a|", State.NODE_FAILED),
        ("5_0|A_WORD_OF_NEXT_YEAR|0|0|cpu-1|0|1795364042|1795365000|None|a|", State.UNKNOWN),
    ],
)
def test_squeue(line: str, state: State) -> None:
    (row,) = squeue_rows(line)
    assert (row.job, row.name, row.report.state) == ("5", "a", state)
    assert row.report.started_at == (None if state is State.PENDING else 1795364042)
    assert row.report.ended_at == (1795365000 if state.final else None)


def test_a_name_may_hold_the_separator() -> None:
    (row,) = squeue_rows("5_0|RUNNING|0|0|cpu-1|2|1795364042|N/A|None|sweep|of mine|")
    assert (row.name, row.report.restarts) == ("sweep|of mine", 2)


MEMORY_BY_CGROUP = """\
1_0|FAILED|0:125|1:0|cpu-1|1795364370|1795364371|100M||None|greedy
1_0.batch|FAILED||1:0|cpu-1|1795364370|1795364371||12400K||batch
1_0.0|OUT_OF_MEMORY||0:125|cpu-1|1795364370|1795364371||||python
"""
MEMORY_BY_POLLING = """\
1_0|FAILED|0:9|9:0|cpu-1|1795364370|1795364371|100M||None|greedy
1_0.batch|FAILED||9:0|cpu-1|1795364370|1795364371||12352K||batch
1_0.0|CANCELLED by 0||0:9|cpu-1|1795364370|1795364371||423000K||python
"""
KILLED_BY_HAND = MEMORY_BY_POLLING.replace("423000K", "42300K")


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (MEMORY_BY_CGROUP, State.OUT_OF_MEMORY),
        (MEMORY_BY_POLLING, State.OUT_OF_MEMORY),
        (KILLED_BY_HAND, State.KILLED),
    ],
)
def test_sacct_knows_whether_memory_was_the_reason(text: str, state: State) -> None:
    (row,) = sacct_rows(text)
    assert (row.indices, row.name, row.report.state, row.report.node) == (
        [0],
        "greedy",
        state,
        "cpu-1",
    )


def test_sacct_lists_every_run_of_a_task() -> None:
    text = """\
4_0|PREEMPTED|0:0|0:0|spare-1|1795364405|1795364420|2G||None|modest
4_0.0|CANCELLED||0:9|spare-1|1795364405|1795364424||12000K||python
4_0|REQUEUED|0:0|0:0|spare-1|1795364545|1795364600|2G||None|modest
4_0|PENDING|0:0|0:0|None assigned|Unknown|Unknown|2G||None|modest
4_[1-7%2]|CANCELLED by 0|0:0|0:0|None assigned|None|1795364420|2G||None|modest
"""
    rows = sacct_rows(text)
    assert [row.report.state for row in rows] == [
        State.PREEMPTED,
        State.PREEMPTED,
        State.PENDING,
        State.CANCELLED,
    ]
    assert [row.report.started_at for row in rows] == [1795364405, 1795364545, None, None]
    assert [row.report.node for row in rows] == ["spare-1", "spare-1", "", ""]
    assert rows[-1].indices == list(range(1, 8))


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


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("COMPLETED", State.COMPLETED),
        ("CANCELLED by 1000", State.CANCELLED),
        ("TIMEOUT+", State.TIMED_OUT),
        ("OUT_OF_MEMORY", State.OUT_OF_MEMORY),
        ("NODE_FAIL", State.NODE_FAILED),
        ("REQUEUED", State.PENDING),
        ("COMPLETING", State.RUNNING),
        ("SUSPENDED", State.RUNNING),
    ],
)
def test_slurms_words_have_their_state(word: str, state: State) -> None:
    assert from_slurm(word) is state


@pytest.mark.parametrize("word", ["", "REVOKED", "SOMETHING_OF_NEXT_YEAR", "completed?"])
def test_a_word_that_is_not_known_is_unknown_and_not_final(word: str) -> None:
    assert from_slurm(word) is State.UNKNOWN
    assert not from_slurm(word).final
