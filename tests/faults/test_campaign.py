"""A short seeded campaign on every backend; `make faults` runs a long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign import campaign
from tests.slurm.fixtures import running_site, slurm_site
from tests.slurm.site import Site

__all__ = ["running_site", "slurm_site"]


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("inline", marks=pytest.mark.long),
        pytest.param("ray", marks=pytest.mark.ray),
    ],
)
def test_strikes_lose_double_and_change_nothing(tmp_path: Path, backend: str) -> None:
    for struck, broken in campaign(tmp_path, backend, strikes=6, seed=4):
        assert not broken, struck.seen.strikes


@pytest.mark.slurm
def test_strikes_on_slurm_lose_double_and_change_nothing(slurm_site: Site) -> None:
    for struck, broken in campaign(slurm_site.work, "slurm", strikes=5, seed=2, site=slurm_site):
        assert not broken, struck.seen.strikes
