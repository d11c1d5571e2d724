"""Seeded, stratified splits: the same indices on every machine and in every year.

`numpy.random.RandomState` is used on purpose: numpy keeps its stream frozen, while `Generator` may
change between versions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from jobs.data.fractions import as_fractions, check_subset, problem_of, rounded, sizes_of

__all__ = ["How", "Indices", "Split", "problem_of", "shares", "split"]

Indices = NDArray[np.int64]
How = str | Sequence[float]

_TRAIN_STREAM, _TEST_STREAM = (
    1,
    2,
)  # subsets draw from streams of their own: asking for one moves no image of the others


@dataclass(frozen=True)
class Split:
    """Three disjoint parts, as ascending indices into the whole dataset (its training images, then
    its test images)."""

    train: Indices
    val: Indices
    test: Indices


def split(
    labels: NDArray[np.int64],
    n_train: int,
    how: How = "official",
    *,
    seed: int = 0,
    train_subset: int | None = None,
    test_subset: int | None = None,
) -> Split:
    """Cut a dataset into training, validation and test part.

    Args:
        labels: Classes of the whole dataset, shape (n,), its official training set first.
        n_train: Size of that official training set; equal to n where the dataset has no test set.
        how: "official" trains on the whole official training set, tests on the official test set
            and validates on nothing; three fractions [train, val, test] share out the whole,
            stratified by class.
        seed: Of the shares and of the subsets, in [0, 2**32).
        train_subset: Keep only so many images of the training part, stratified; None keeps all.
            `test_subset` likewise.

    Raises:
        BadSplit: The fractions are none, the dataset has no official test set, or a subset is
            larger than its part.
    """
    if how == "official":
        train, val, test = _official(len(labels), n_train)
    else:
        train, val, test = shares(labels, as_fractions(how), np.random.RandomState(seed))
    return Split(
        _subset(labels, train, train_subset, "train", (seed, _TRAIN_STREAM)),
        val,
        _subset(labels, test, test_subset, "test", (seed, _TEST_STREAM)),
    )


def shares(
    labels: NDArray[np.int64], fractions: Sequence[Fraction], stream: np.random.RandomState
) -> list[Indices]:
    """Share out all images, each class in the given proportions.

    Every part has its fraction of the whole, rounded; every class is within one image of its
    fraction in every part.

    Args:
        labels: Shape (n,), each >= 0.
        fractions: Of the whole, adding up to 1.

    Returns:
        Ascending indices, one array a part.
    """
    counts = np.bincount(labels)
    by_class = np.argsort(labels, kind="stable").astype(np.int64)
    parts: list[list[Indices]] = [[] for _ in fractions]
    start = 0
    for count, sizes in zip(counts.tolist(), _table(counts.tolist(), fractions), strict=True):
        shuffled = by_class[start : start + count][stream.permutation(count)]
        start += count
        cuts = np.cumsum(sizes)[:-1]
        for part, piece in zip(parts, np.split(shuffled, cuts), strict=True):
            part.append(piece)
    return [
        np.sort(np.concatenate(pieces)) if pieces else np.empty(0, np.int64) for pieces in parts
    ]


def _official(n: int, n_train: int) -> list[Indices]:
    ends = [0, *accumulate(sizes_of(n, n_train, "official"))]
    return [np.arange(start, end, dtype=np.int64) for start, end in pairwise(ends)]


def _table(counts: Sequence[int], fractions: Sequence[Fraction]) -> list[list[int]]:
    """Images of each class in each part: every number rounded down or up, rows adding up to the
    classes and columns to the parts."""
    exact = [[count * fraction for fraction in fractions] for count in counts]
    table = [[int(share) for share in row] for row in exact]
    left = [
        want - sum(column)
        for want, column in zip(
            rounded(sum(counts), fractions), zip(*table, strict=True), strict=True
        )
    ]
    owed = [count - sum(row) for count, row in zip(counts, table, strict=True)]
    waiting = Counter(owed)
    remainders = [
        [share - size for share, size in zip(*pair, strict=True)]
        for pair in zip(exact, table, strict=True)
    ]
    for label in sorted(
        range(len(counts)), key=lambda label: (-max(remainders[label]), label)
    ):  # the clearest cases choose first
        waiting[owed[label]] -= 1
        for chosen in _wishes(remainders[label], owed[label]):
            after = [size - (part in chosen) for part, size in enumerate(left)]
            if _comes_out_even(after, waiting):
                table[label] = [size + (part in chosen) for part, size in enumerate(table[label])]
                left = after
                break
    return table


def _wishes(remainders: Sequence[Fraction], owed: int) -> list[tuple[int, ...]]:
    """The ways to round `owed` parts of a class up, the most exact first."""
    ways = combinations(range(len(remainders)), owed)
    return sorted(ways, key=lambda parts: (-sum(remainders[part] for part in parts), parts))


def _comes_out_even(left: Sequence[int], waiting: Mapping[int, int]) -> bool:
    """Whether the waiting classes can still give every part what it has left to get (the theorem of
    Gale and Ryser)."""
    wanted = sorted(left, reverse=True)
    given = [
        sum(classes * min(owed, parts) for owed, classes in waiting.items())
        for parts in range(1, len(left) + 1)
    ]
    return wanted[-1] >= 0 and all(
        want <= give for want, give in zip(accumulate(wanted), given, strict=True)
    )


def _subset(
    labels: NDArray[np.int64], part: Indices, size: int | None, name: str, seed: tuple[int, int]
) -> Indices:
    if size is None:
        return part
    check_subset(size, len(part), name)
    kept = Fraction(size, len(part))
    return part[shares(labels[part], [kept, 1 - kept], np.random.RandomState(seed))[0]]
