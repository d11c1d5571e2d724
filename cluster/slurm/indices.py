"""The tasks of an array as SLURM writes them: ``123_4``, ``123_[0-9,12,20-40:2%8]``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_JOB = re.compile(r"(?P<job>\d+)(?:_(?:(?P<index>\d+)|\[(?P<several>[^\]]*)\]))?")


def read_job(written: str) -> tuple[str, list[int]] | None:
    """The job and the indices that an id stands for.

    A job without an array has none; text that is no job id (a step, ``123.batch``) gives None.
    """
    match = _JOB.fullmatch(written.strip())
    if match is None:
        return None
    if match["index"] is not None:
        return match["job"], [int(match["index"])]
    return match["job"], read_indices(match["several"] or "")


def read_indices(written: str) -> list[int]:
    """``0-3,7,10-20:5%2`` as numbers; the throttle after ``%`` is no index."""
    indices: list[int] = []
    for part in written.partition("%")[0].split(","):
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        if first.isdecimal():  # SLURM ends a list that it cut short with "..."
            indices += range(int(first), int(last or first) + 1, int(step or 1))
    return indices


def write_indices(indices: Iterable[int]) -> str:
    """Numbers as SLURM reads them, neighbors joined: ``0-3,7``."""
    spans: list[list[int]] = []
    for index in sorted(set(indices)):
        if spans and spans[-1][1] == index - 1:
            spans[-1][1] = index
        else:
            spans.append([index, index])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in spans)
