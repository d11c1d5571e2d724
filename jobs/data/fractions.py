"""The split as a grid writes it, checked without the data and without numpy.

Fractions are taken as written (0.7 is 7/10), so no rounding of floats decides where an image goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from jobs.data.errors import BadSplit

_TOLERANCE: Final = Fraction(1, 10**6)


def problem_of(how: object) -> str | None:
    """Return what is wrong with a split as a grid writes it, seen without the data; None if
    nothing."""
    try:
        if how != "official":
            as_fractions(how)
    except BadSplit as error:
        return str(error)
    return None


def sizes_of(n: int, n_train: int, how: object) -> list[int]:
    """Return how many images the parts [train, val, test] have.

    Args:
        n: Images of the whole dataset.
        n_train: Those of its official training set.

    Raises:
        BadSplit: The fractions are none, or the dataset has no official test set.
    """
    if how != "official":
        return rounded(n, as_fractions(how))
    if n_train >= n:
        raise BadSplit(
            "this dataset has no official test set: give fractions instead, for example split: "
            "[0.7, 0.1, 0.2]"
        )
    return [n_train, 0, n - n_train]


def check_subset(size: int | None, part: int, name: str) -> None:
    """Raise BadSplit unless so many images can be kept of a part of that size."""
    if size is not None and not 1 <= size <= part:
        raise BadSplit(
            f"{name}_subset {size} is not between 1 and the {part} images of the {name} part"
        )


def rounded(n: int, fractions: Sequence[Fraction]) -> list[int]:
    """Return the sizes of the parts of n, by largest remainder; they add up to n."""
    sizes = [int(n * fraction) for fraction in fractions]
    by_remainder = sorted(
        range(len(sizes)), key=lambda part: (sizes[part] - n * fractions[part], part)
    )
    for part in by_remainder[: n - sum(sizes)]:
        sizes[part] += 1
    return sizes


def as_fractions(how: object) -> list[Fraction]:
    """Return the parts [train, val, test] as exact fractions that add up to 1; BadSplit if they are
    none."""
    if isinstance(how, str) or not isinstance(how, Sequence):
        raise BadSplit(f"a split is 'official' or three fractions [train, val, test], not {how!r}")
    written = f"split {list(how)}"
    if len(how) != 3 or not all(
        isinstance(part, int | float) and not isinstance(part, bool) for part in how
    ):
        raise BadSplit(
            f"{written} is not three fractions [train, val, test]: write 0 for a part that is not "
            "wanted"
        )
    if not all(0 <= part <= 1 for part in how):
        raise BadSplit(f"{written} has a part outside 0 to 1")
    exact = [Fraction(repr(float(part))) for part in how]
    total = sum(exact, Fraction(0))
    if abs(total - 1) > _TOLERANCE:
        raise BadSplit(f"{written} adds up to {float(total):g}, not to 1")
    if not exact[0]:
        raise BadSplit(f"{written} leaves nothing to train on")
    return [part / total for part in exact]
