"""What can go wrong in a trial; every message says how to fix it.

All are built from plain arguments, so that they survive a pickle between two processes.
"""

from __future__ import annotations

from difflib import get_close_matches

from artifacts.errors import PlainError


class JobsError(PlainError):
    """Root of everything this floor raises on purpose."""


class UnknownWorkload(JobsError):
    """The name is neither a built-in workload nor of the form ``package.module:function``."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"there is no workload '{self.name}'{nearest(self.name, self.known)}: use one of "
            f"{', '.join(self.known)}, or package.module:function"
        )


class BadWorkload(JobsError):
    """The user's own function cannot be called as a workload; found by reading its source, nothing
    was run."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"workload '{self.name}': {self.reason}"


class BadParameters(JobsError):
    """Parameters that the workload does not know, lacks, or cannot take; all of them, not the
    first."""

    workload: str
    problems: tuple[tuple[str, str], ...]
    """One (parameter, message) each."""

    def __str__(self) -> str:
        return f"workload '{self.workload}': " + "; ".join(
            f"{key}: {message}" for key, message in self.problems
        )


class BadResult(JobsError):
    """The user's function returned something that cannot become columns of a record."""

    problems: tuple[tuple[str, str], ...]
    """One (key, message) each; key "" speaks of the returned value as a whole."""

    def __str__(self) -> str:
        return "what the workload returned: " + "; ".join(
            f"{key}: {message}" if key else message for key, message in self.problems
        )


class BadMetric(JobsError):
    """A value given to ``context.report`` or ``context.note`` that has no place in the record."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"'{self.name}': {self.reason}"


class UnknownPhase(JobsError):
    """``context.phase`` was asked for a phase that the time ledger does not have."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the time ledger has no phase '{self.name}'{nearest(self.name, self.known)}: use "
            f"one of {', '.join(self.known)}"
        )


class WrongDevice(JobsError):
    """The worker is not on the hardware that the target promises; nothing was measured."""

    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"the target promises {self.expected}, but this worker sees {self.found}: correct the "
            "target's partition, gres or gpu in the cluster profile (gpu: none declares a target "
            "without a GPU)"
        )


class EngineMissing(JobsError):
    """The engine asked for cannot run on this machine."""

    engine: str
    reason: str

    def __str__(self) -> str:
        return (
            f"engine '{self.engine}' cannot run here ({self.reason}): use engine: auto, which "
            "takes the fastest engine there is"
        )


class CommandFailed(JobsError):
    """The command of the trial did not end well."""

    command: str
    """Its words, filled in."""
    how: str
    """What became of it."""
    output: str
    """The end of what it printed."""
    code: int = 1
    """Its exit code; minus the signal that ended it."""

    def __str__(self) -> str:
        lines = self.output.splitlines()
        said = f": {lines[-1]}\n\nThe end of its output:\n{self.output}" if lines else ""
        return f"{self.command} {self.how}{said}"


class StopRequested(JobsError):
    """Raised by a workload that wrote its checkpoint because it was asked to stop; the attempt ends
    as preempted."""

    message: str = "it was asked to stop, and wrote a checkpoint"

    def __str__(self) -> str:
        return self.message


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return ' (did you mean 'x'?)' for the nearest of the known words, else nothing."""
    close = get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
