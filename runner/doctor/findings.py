"""Hold what a check found: where, what, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is."""

    REFUSED = "refused"  # the scheduler would not take it, or no trial could run there
    PENDING = "pending"  # nothing was seen that is wrong, and not everything could be seen
    WARNING = "warning"  # trials run, and something about them would be off


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    target: str
    """Of the profile; empty for what concerns all of them."""
    level: Level
    what: str
    """As observed."""
    fix: str
    """What to do about it."""


@dataclass(frozen=True)
class TargetCheck:
    """One target: where it leads, and what became of its probe."""

    target: str
    partition: str
    node: str = ""
    """Where the probe ran; empty if it did not."""
    answer_s: float | None = None
    """From submit to its answer; None without one."""


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was checked, and everything that was found."""

    profile: str
    backend: str
    store: str
    probed: bool
    targets: tuple[TargetCheck, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Return whether the trials of some target could not run."""
        return any(finding.level is Level.REFUSED for finding in self.findings)

    def verdict(self, target: str) -> str:
        """Return the worst level of a target's own findings; ``ok`` if it has none."""
        levels = {finding.level for finding in self.findings if finding.target == target}
        return next((level.value for level in Level if level in levels), "ok")
