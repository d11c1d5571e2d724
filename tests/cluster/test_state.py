"""SLURM's words for states, and what is final."""

from __future__ import annotations

import pytest

from cluster.state import State, from_slurm


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
