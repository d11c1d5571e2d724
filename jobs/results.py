"""What the user's function returned, as columns: measured metrics fill the record's own, everything
else gets new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from artifacts.errors import BadColumn
from artifacts.record import RESERVED, parameter_column
from artifacts.values import describe_error, infer, shown
from jobs.context import NOTABLE, Context
from jobs.errors import BadMetric, BadResult


def take(
    returned: Any, parameters: Mapping[str, Any], context: Context, results: dict[str, Any]
) -> None:
    """Sort the returned mapping into the context's notes and ``results``; everything good is kept,
    also if something is bad.

    Raises:
        BadResult: All that cannot become a column.
    """
    if returned is None:
        return
    if not isinstance(returned, Mapping):
        raise BadResult(
            (
                (
                    "",
                    f"is {type(returned).__name__}: return a mapping of names to numbers or text, "
                    "or nothing",
                ),
            )
        )
    problems = [
        (key if isinstance(key, str) else shown(key), problem)
        for key, value in returned.items()
        if (problem := _take(key, value, parameters, context, results))
    ]
    if problems:
        raise BadResult(tuple(problems))


def _take(
    key: Any, value: Any, parameters: Mapping[str, Any], context: Context, results: dict[str, Any]
) -> str | None:
    """Why this one cannot be a column; None if it was taken."""
    if not isinstance(key, str) or not key.strip():
        return f"the name {shown(key)} is not text"
    try:
        if key in NOTABLE:
            context.note(**{key: value})
            return None
        _, plain = infer(key, value)
    except (BadMetric, BadColumn) as error:
        return error.reason
    except (
        Exception
    ) as error:  # arrays and mappings of the user's own classes may raise anything when read
        return describe_error(error)
    if key in RESERVED:
        return "is a column that the runner measures itself: return it under another name"
    if key in parameters:
        same = plain == infer(key, parameters[key])[1]
        return (
            None
            if same
            else "is a parameter of the trial and comes back with another value: return it under "
            "another name"
        )
    if key in {parameter_column(name) for name in parameters}:
        return "is the column of a parameter: return it under another name"
    results[key] = plain
    return None
