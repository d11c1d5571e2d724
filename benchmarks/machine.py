"""What every table of docs/benchmarks.md has to say about where its numbers come from."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from jobs.measure import cpus


def describe(*packages: str) -> str:
    """One line: processor, cores, Python, and the versions of these packages."""
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{cpus.model()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
