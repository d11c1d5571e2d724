"""Why nothing of a store was taken away."""

from __future__ import annotations

from runner.errors import RunnerError


class SweepInUse(RunnerError):
    """Something works on the sweep; nothing was removed."""

    sweep: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.reason}, so nothing of '{self.sweep}' was removed: {self.fix}"
