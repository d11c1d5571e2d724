"""A site with AccountingStorageType=accounting_storage/none: squeue is all there is."""

from __future__ import annotations

import time
from functools import partial

from cluster.resources import Resources
from cluster.state import State
from tests.cluster import tasks as shared

from . import tasks
from .site import Site
from .waiting import TINY, all_final, backend_at, reports_when


def test_states_come_from_squeue_alone(slurm_site_without_accounting: Site) -> None:
    backend = backend_at(slurm_site_without_accounting)
    failing = backend.submit(partial(shared.fail_on, 1), 2, TINY, name="failing")
    crashing = backend.submit(
        partial(shared.end_the_process, "segfault", 0), 1, TINY, name="crashing"
    )
    assert [report.state for report in reports_when(backend, failing, all_final)] == [
        State.COMPLETED,
        State.FAILED,
    ]
    assert [report.state for report in reports_when(backend, crashing, all_final)] == [
        State.CRASHED
    ]
    assert backend.calls["sacct"] <= 1


def test_what_squeue_does_not_know_is_unknown(slurm_site_without_accounting: Site) -> None:
    backend = backend_at(slurm_site_without_accounting)
    handle = backend.submit(
        partial(shared.sleep_on, 0), 4, Resources(cpus=8, partition="gpu-a30"), name="forgotten"
    )
    slurm_site_without_accounting.run("scancel", f"{handle.chunks[0].job}_2")
    reports = reports_when(backend, handle, lambda reports: reports[2].state is State.UNKNOWN)
    assert "accounts" in reports[2].detail
    assert State.UNKNOWN not in [report.state for report in reports if report.index != 2]


def test_what_this_backend_cancelled_it_knows(slurm_site_without_accounting: Site) -> None:
    backend = backend_at(slurm_site_without_accounting)
    handle = backend.submit(
        partial(shared.sleep_on, 0), 4, Resources(cpus=8, partition="gpu-a30"), name="cancelled"
    )
    backend.cancel(handle, [2, 3])
    assert [report.state for report in backend.reports([handle])[handle.id]][2:] == [
        State.CANCELLED
    ] * 2


def test_limits_site_and_search(slurm_site_without_accounting: Site) -> None:
    backend = backend_at(slurm_site_without_accounting)
    handle = backend.submit(tasks.linger, 2, TINY, name="here")
    assert (
        backend.find({"here": 2, "elsewhere": 2}, time.time() - 60)["here"].chunks == handle.chunks
    )
    assert (backend.limits().max_submit, backend.limits().queued) == (None, 2)
    assert not backend.site().accounting
