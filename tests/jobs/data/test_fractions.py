"""A split that cannot be meant is refused before anything is queued."""

from __future__ import annotations

import pytest

from jobs.data.fractions import problem_of


@pytest.mark.parametrize(
    "how", ["official", [0.7, 0.1, 0.2], [1, 0, 0], [0.5, 0, 0.5], (0.333333, 0.333333, 0.333334)]
)
def test_what_a_split_may_be(how: object) -> None:
    assert problem_of(how) is None


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ("oficial", "'official' or three fractions"),
        (0.7, "'official' or three fractions"),
        (None, "'official' or three fractions"),
        ([0.8, 0.2], "write 0 for a part that is not wanted"),
        (["0.7", 0.1, 0.2], "is not three fractions"),
        ([True, False, False], "is not three fractions"),
        ([70, 10, 20], "outside 0 to 1"),
        ([1.2, -0.4, 0.2], "outside 0 to 1"),
        ([float("nan"), 0.5, 0.5], "outside 0 to 1"),
        ([0.7, 0.1, 0.1], "adds up to 0.9, not to 1"),
        ([0, 0.5, 0.5], "nothing to train on"),
    ],
)
def test_what_it_may_not_be(how: object, problem: str) -> None:
    assert problem in str(problem_of(how))
