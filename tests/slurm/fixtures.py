"""The fixtures `slurm_site` and `slurm_site_without_accounting`: one running SLURM each for the
whole session, empty for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .site import Site


@pytest.fixture(scope="session")
def running_site() -> Iterator[Site]:
    """The site with accounting, up for the session; tests take `slurm_site`."""
    yield from _running(accounting=True)


@pytest.fixture(scope="session")
def running_site_without_accounting() -> Iterator[Site]:
    """The site without accounting, up for the session; tests take
    `slurm_site_without_accounting`."""
    yield from _running(accounting=False)


@pytest.fixture
def slurm_site(running_site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A SLURM with accounting, its queue empty, that this process's sbatch, squeue and sacct talk
    to."""
    yield from _entered(running_site, monkeypatch)


@pytest.fixture
def slurm_site_without_accounting(
    running_site_without_accounting: Site, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """The same with AccountingStorageType=accounting_storage/none."""
    yield from _entered(running_site_without_accounting, monkeypatch)


def _running(accounting: bool) -> Iterator[Site]:
    obstacle = Site.obstacle(accounting)
    if obstacle is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must test against a real SLURM: {obstacle}")
        pytest.skip(f"no SLURM here: {obstacle}")
    with Site(accounting) as site:
        yield site


def _entered(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SLURM_CONF", site.environment["SLURM_CONF"])
    yield site
    site.recover()
