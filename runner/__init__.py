"""Run every trial of a grid, and read their records: what `runner` offers to a Python script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.api import (
        PlannedArray,
        PlannedTrial,
        PlanReport,
        Records,
        SubmitReport,
        load,
        plan,
        submit,
    )

__version__ = "0.1.0"
"""Of the distribution `sweeprunner`, whose metadata reads it from here."""

__all__ = [
    "PlanReport",
    "PlannedArray",
    "PlannedTrial",
    "Records",
    "SubmitReport",
    "__version__",
    "load",
    "plan",
    "submit",
]


def __getattr__(name: str) -> Any:
    """Import the API when it is first used: the command line does without it."""
    if name not in __all__:
        raise AttributeError(f"module 'runner' has no attribute '{name}'")
    from runner import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
