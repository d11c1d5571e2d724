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
    """What is wrong with a split as a grid writes it, seen without the data; None if nothing."""
    try:
        if how != "official":
            as_fractions(how)
    except BadSplit as error:
        return str(error)
    return None


def as_fractions(how: object) -> list[Fraction]:
    """The parts [train, val, test] as exact fractions that add up to 1; BadSplit if they are none."""
    if isinstance(how, str) or not isinstance(how, Sequence):
        raise BadSplit(f"a split is 'official' or three fractions [train, val, test], not {how!r}")
    written = f"split {list(how)}"
    if len(how) != 3 or not all(isinstance(part, int | float) and not isinstance(part, bool) for part in how):
        raise BadSplit(f"{written} is not three fractions [train, val, test]: write 0 for a part that is not wanted")
    if not all(0 <= part <= 1 for part in how):
        raise BadSplit(f"{written} has a part outside 0 to 1")
    exact = [Fraction(repr(float(part))) for part in how]
    total = sum(exact, Fraction(0))
    if abs(total - 1) > _TOLERANCE:
        raise BadSplit(f"{written} adds up to {float(total):g}, not to 1")
    if not exact[0]:
        raise BadSplit(f"{written} leaves nothing to train on")
    return [part / total for part in exact]
