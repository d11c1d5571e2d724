"""The promises of every backend, kept by a real SLURM."""

from __future__ import annotations

import pytest

from cluster.profile import Profile
from cluster.resources import Resources
from cluster.slurm import SlurmBackend
from tests.cluster.suite import BackendSuite

from .site import Site


class TestSlurm(BackendSuite):
    time_limit_min = 1.0  # SLURM counts in minutes, and looks every half one

    @pytest.fixture
    def backend(self, slurm_site: Site) -> SlurmBackend:
        folder = slurm_site.work / "promises"
        return SlurmBackend(Profile(name="test", targets={"cpu": Resources()}), folder, poll_s=(0.3, 1.0))
