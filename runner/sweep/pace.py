"""How long the rest of a sweep takes, from what its trials have taken so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Cell = tuple[str, str]
"""Group and target: the trials that are taken to last alike."""

_Z = 1.645
"""Two-sided 90 % of a normal distribution."""
_UNKNOWN_SPREAD = 0.5
"""Standard deviation over mean that is taken where one trial has told a duration."""
_FEW = 1.5
"""How much wider a range from few trials is: 1 + this / (n - 1) is Student's t over the normal
quantile, within a twentieth from n = 3 on."""
_LEAST_SPREAD = 0.05
_LEAST_SHARE = 0.02
"""So much of a trial must be done before its position says how long the rest takes."""


@dataclass(frozen=True)
class TimeLeft:
    """Seconds until the last trial ends: most likely within these two, if as many trials run side
    by side as now."""

    low_s: float
    high_s: float


@dataclass(frozen=True)
class UnderWay:
    """A trial that runs."""

    cell: Cell
    for_s: float
    share: float | None = None
    """How much of it is done, in [0, 1]; None where it does not tell."""

    @property
    def expected_s(self) -> float | None:
        """Return how long it takes as a whole, by what it has done; None where that is not
        known."""
        if self.share is None or self.share < _LEAST_SHARE:
            return None
        return self.for_s / self.share


@dataclass
class Durations:
    """How long trials took, by cell; sums only, so that a million costs nothing."""

    _sums: dict[Cell, tuple[float, float, float]] = field(default_factory=dict)

    def add(self, cell: Cell, seconds: float) -> None:
        """Count a trial."""
        n, total, squares = self._sums.get(cell, (0.0, 0.0, 0.0))
        self._sums[cell] = n + 1, total + seconds, squares + seconds * seconds

    def copy(self) -> Durations:
        """Return one that goes its own way."""
        return Durations(dict(self._sums))

    def sums(self) -> Mapping[Cell, tuple[float, float, float]]:
        """Return number, sum and sum of squares by cell."""
        return self._sums

    def of(self, cell: Cell) -> tuple[int, float, float] | None:
        """Return n, mean and spread of the cell, else of its target, else of all; None before the
        first.

        The spread is the standard deviation, widened where n is small.
        """
        alike = [known for known in self._sums if known == cell]
        beside = [known for known in self._sums if known[1] == cell[1]]
        found = [self._sums[known] for known in alike or beside or self._sums]
        if not found:
            return None
        n, total, squares = (sum(column) for column in zip(*found, strict=True))
        mean, spread = total / n, _UNKNOWN_SPREAD * total / n
        if n > 1:
            spread = math.sqrt(max(0.0, squares - total * mean) / (n - 1))
            spread *= 1 + _FEW / (n - 1)
        return int(n), mean, max(spread, _LEAST_SPREAD * mean)


def time_left(
    durations: Durations, running: Iterable[UnderWay], waiting: Mapping[Cell, int]
) -> TimeLeft | None:
    """Return how long the rest takes; None before any trial has told how long one takes, and where
    none runs.

    The work that is left, spread over as many trials side by side as run now: its sum has the
    variance of the trials themselves and of their means. The last trial to begin may end as much as
    a whole trial later than the others.

    Args:
        durations: Of trials that have ended.
        running: Trials that run now.
        waiting: Trials that are still to begin, by cell.
    """
    running, waiting = list(running), {cell: n for cell, n in waiting.items() if n}
    if not running:
        return None
    known = durations.copy()
    for one in running:
        if one.expected_s is not None and one.cell not in durations.sums():
            known.add(one.cell, one.expected_s)
    rests: list[float] = []
    work = variance = longest = 0.0
    for one in running:
        found = known.of(one.cell)
        if found is None:
            return None
        _, mean, spread = found
        if one.expected_s is not None:
            rest, doubt = one.expected_s - one.for_s, 0.1 * (one.expected_s - one.for_s)
        else:
            rest, doubt = max(mean - one.for_s, 0.0), spread
        rests.append(rest)
        work, variance = work + rest, variance + doubt * doubt
    for cell, n in waiting.items():
        found = known.of(cell)
        if found is None:
            return None
        m, mean, spread = found
        work += n * mean
        variance += spread * spread * (n + n * n / m)
        longest = max(longest, mean)
    slots = len(running)
    half = _Z * math.sqrt(variance) / slots
    low = max(work / slots - half, max(rests) * 0.9, 0.0)
    high = max(work / slots + longest * (1 - 1 / slots), max(rests)) + half
    return TimeLeft(low, high)
