"""The promises of every backend, kept by a real SLURM."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cluster.profile import SlurmSettings
from cluster.slurm.backend import SlurmBackend
from cluster.slurm.requeue import TaskEnd
from cluster.state import State
from tests.cluster.suite import BackendSuite

from . import tasks
from .site import Site
from .waiting import TINY, all_final, backend_at, lines_when, reports_when


class TestSlurm(BackendSuite):
    time_limit_min = 1.0  # SLURM counts in minutes, and looks every half one

    @pytest.fixture
    def backend(self, slurm_site: Site) -> SlurmBackend:
        return backend_at(slurm_site)

    def test_a_warning_ahead_of_the_walltime_is_heeded_as_often_as_the_profile_allows(
        self, slurm_site: Site, tmp_path: Path
    ) -> None:
        """Beside the promise about time limits, because either takes SLURM a minute."""
        heeding = backend_at(slurm_site, SlurmSettings(max_requeues=1))
        handle = heeding.submit(
            partial(tasks.never_finish, str(tmp_path)),
            1,
            TINY.merged({"time_min": 1}),
            name="endless",
        )
        super().test_a_task_over_its_time_has_timed_out(backend_at(slurm_site))
        assert lines_when(tmp_path / "0.diary", 4) == [
            "run 0",
            TaskEnd.ASKS_AGAIN,
            "run 1",
            TaskEnd.OUT_OF_REQUEUES,
        ]
        (report,) = reports_when(heeding, handle, all_final)
        assert (report.state, report.restarts) == (State.FAILED, 1)

    test_a_task_over_its_time_has_timed_out = None  # type: ignore[assignment]  # it is part of the one above
