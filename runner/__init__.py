"""Run every trial of a grid, and read their records: what `runner` offers to a Python script."""

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
