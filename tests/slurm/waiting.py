"""Waiting for what SLURM will do, and failing with what it did instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cluster.backend import TaskReport
from cluster.profile import Profile, SlurmSettings
from cluster.resources import Resources
from cluster.slurm.backend import SlurmBackend
from cluster.slurm.handle import SlurmHandle
from tests.patience import PATIENCE_S

from .site import Site

TINY = Resources(cpus=1, mem_gb=0.25)


def backend_at(site: Site, settings: SlurmSettings | None = None) -> SlurmBackend:
    """A backend for this site that asks as often as a test wants."""
    profile = Profile(name="test", targets={"cpu": TINY}, slurm=settings or SlurmSettings())
    return SlurmBackend(profile, site.work / "logs", poll_s=(0.3, 1.0))


def reports_when(
    backend: SlurmBackend, handle: SlurmHandle, condition: Callable[[list[TaskReport]], bool]
) -> list[TaskReport]:
    """The reports of an array once they fulfill the condition."""
    end = time.monotonic() + PATIENCE_S
    while not condition(reports := backend.reports([handle])[handle.id]):
        assert time.monotonic() < end, f"waited in vain; at the end: {reports}"
        time.sleep(0.3)
    return reports


def all_final(reports: list[TaskReport]) -> bool:
    return all(report.state.final for report in reports)


def lines_when(file: Path, n: int) -> list[str]:
    """The lines of a file once it has so many."""
    end = time.monotonic() + PATIENCE_S
    while not (file.exists() and len(lines := file.read_text().splitlines()) >= n):
        assert time.monotonic() < end, (
            f"{file} never has {n} lines: {file.read_text() if file.exists() else 'no file'}"
        )
        time.sleep(0.1)
    return lines
