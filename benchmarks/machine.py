"""What every table of docs/benchmarks.md has to say about where its numbers come from."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from cluster import machine

SUMMARY = "in short: "
"""How the line begins that `python -m benchmarks` repeats at its end."""


def sum_up(words: str) -> None:
    """Print the line that says what the table comes to."""
    print(f"{SUMMARY}{words}", flush=True)


def describe(*packages: str) -> str:
    """One line: processor, cores, Python, and the versions of these packages."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    python = platform.python_version()
    return f"{machine.cpu_model()}, {os.cpu_count()} cores, Python {python}, {versions}"
