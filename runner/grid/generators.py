"""Generate axes from their ends: ``linspace``, ``logspace`` and ``range``.

Values come out as a person would have written them: ``{linspace: [0, 1, 11]}`` holds 0.3 and not
0.30000000000000004, because two spellings of one value would be two trials.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

NAMES = ("linspace", "logspace", "range")
_DIGITS = 12
"""Significant digits of a logarithmic axis: enough to tell any two values, too few to show rounding
errors."""


class BadGenerator(ValueError):
    """The generator has wrong arguments; the message says which it needs."""


def is_generator(value: Any) -> bool:
    """Return whether a value in a grid is meant as a generator."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in NAMES


def generate(generator: Mapping[str, Any], most: int) -> tuple[int, list[int | float]]:
    """Return the number of values of an axis, and the values.

    Args:
        generator: ``{linspace: [first, last, n]}``, ``{logspace: [first, last, n]}`` (both are
            values, not exponents) or ``{range: [start, stop, step]}``, the stop left out as in
            Python, the step 1 if not given.
        most: An axis longer than this is counted but not built.

    Raises:
        BadGenerator: The arguments are not of that form.
    """
    ((name, arguments),) = generator.items()
    if name == "range":
        start, stop, step = _range_arguments(arguments)
        n = max(0, math.ceil((stop - start) / step))
        return n, [_number(start + i * step) for i in range(n)] if n <= most else []
    first, last, n = _space_arguments(name, arguments)
    if n > most:
        return n, []
    if name == "linspace":
        steps = max(1, n - 1)
        return n, [_number(first + (last - first) * Fraction(i, steps)) for i in range(n)]
    return n, _logspace(float(first), float(last), n)


def _logspace(first: float, last: float, n: int) -> list[int | float]:
    low, high = math.log10(first), math.log10(last)
    between = [
        float(f"{10 ** (low + (high - low) * i / (n - 1)):.{_DIGITS}g}") for i in range(1, n - 1)
    ]
    return [_tidy(value) for value in ([first, *between, last] if n > 1 else [first])]


def _range_arguments(arguments: Any) -> tuple[Fraction, Fraction, Fraction]:
    if not _are_numbers(arguments) or len(arguments) not in (2, 3):
        raise BadGenerator("range needs [start, stop] or [start, stop, step], all numbers")
    start, stop, step = [*map(_exact, arguments), Fraction(1)][:3]
    if step == 0:
        raise BadGenerator("range cannot walk in steps of 0")
    return start, stop, step


def _space_arguments(name: str, arguments: Any) -> tuple[Fraction, Fraction, int]:
    if not _are_numbers(arguments) or len(arguments) != 3:
        raise BadGenerator(f"{name} needs [first, last, n], all numbers")
    first, last, n = map(_exact, arguments)
    if n.denominator != 1 or n < 0:
        raise BadGenerator(
            f"the third argument of {name} is the number of values, a whole one, not {arguments[2]}"
        )
    if name == "logspace" and (first <= 0 or last <= 0):
        raise BadGenerator("both ends of logspace must be above 0: they are values, not exponents")
    return first, last, int(n)


def _are_numbers(arguments: Any) -> bool:
    return isinstance(arguments, list) and all(
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
        for value in arguments
    )


def _exact(value: int | float) -> Fraction:
    """Return the decimal that was written, not the binary fraction nearest to it."""
    return Fraction(repr(value))


def _number(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


def _tidy(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
