"""Chooses which attempt of a trial counts, by what is known of each without its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from artifacts.index import Attempt
from artifacts.record import Outcome


@dataclass(frozen=True)
class Preferred:
    """Which of several completed attempts at one trial counts before the others."""

    code: frozenset[str] = frozenset()
    """Digests of code; an attempt that ran one of these comes first."""
    data: frozenset[str] = frozenset()
    """Digests of data; of the rest, an attempt that read one of these comes first."""


def counted(attempts: Sequence[Attempt], preferred: Preferred) -> Attempt | None:
    """Return the completed attempt that ``counting`` chooses of one trial's; None if it has none.

    Args:
        attempts: In order.
        preferred: What fits.
    """

    def fit(item: tuple[int, Attempt]) -> tuple[int, int, int]:
        place, attempt = item
        code, data = (
            1 if found is None or not wanted else 2 * (found in wanted)
            for found, wanted in (
                (attempt.code, preferred.code),
                (attempt.data_digest, preferred.data),
            )
        )
        return code, data, place

    completed = [one for one in enumerate(attempts) if one[1].outcome is Outcome.completed]
    return max(completed, key=fit)[1] if completed else None
