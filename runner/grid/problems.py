"""Collect what is wrong with a grid: every mistake with its file, line and key, all in one
error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.errors import RunnerError


@dataclass(frozen=True)
class Problem:
    """One mistake."""

    file: str
    """The file it stands in, or the option it came with (``--set``, ``--on``)."""
    line: int
    """Line in that file, counted from 1; 0 where there is no line."""
    key: str
    """The key as a path below its group, such as ``matrix.lr``; empty for the file as a whole."""
    message: str
    """What is wrong and what would be right."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (place, self.key, self.message) if part)


@dataclass(frozen=True)
class Origin:
    """Where something was written, so that a later step can still name it."""

    file: str
    line: int
    key: str

    def problem(self, message: str) -> Problem:
        return Problem(self.file, self.line, self.key, message)

    def child(self, key: str, line: int | None = None) -> Origin:
        """Return the place of a key below this one, on the same line unless another is given."""
        return Origin(
            self.file, self.line if line is None else line, f"{self.key}.{key}" if self.key else key
        )


class GridError(RunnerError):
    """The grid cannot be expanded; nothing was queued. Carries every problem found, in the order of
    the lines."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return each problem once, sorted by line; those of the command line come last."""
    return tuple(
        sorted(dict.fromkeys(problems), key=lambda problem: (problem.line == 0, problem.line))
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the words that would be valid: the nearest one if it is near, else all of them."""
    words = sorted(known)
    lower = {candidate.lower(): candidate for candidate in words}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{lower[close[0]]}'?"
    return f"known: {', '.join(words)}" if words else "there are none"


def show(value: Any) -> str:
    """Return a value as a person would write it in YAML, cut short."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
