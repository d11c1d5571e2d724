"""Every test of this folder needs a real SLURM."""

from __future__ import annotations

from pathlib import Path

import pytest

from .fixtures import (
    running_site,
    running_site_without_accounting,
    slurm_site,
    slurm_site_without_accounting,
)

__all__ = [
    "running_site",
    "running_site_without_accounting",
    "slurm_site",
    "slurm_site_without_accounting",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder, so that `-m "not slurm"` leaves it out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)
