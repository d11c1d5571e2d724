"""Small sweeps of real trials for the tests of the top floor."""

from __future__ import annotations

from pathlib import Path

from artifacts.record import Outcome, Record
from cluster.profile import Profile
from cluster.resources import Resources
from jobs.importing import OURS
from jobs.spec import JobSpec

WORKLOADS = Path(__file__).parent / "workloads"
"""Folder with the tests' own workloads, as a user would keep them beside a grid."""


def hide_what_is_needed(folder: Path) -> None:
    """Write modules beside the user's own that must not be imported in place of ours, or of
    Python's."""
    for name in (*OURS, "random"):
        (folder / f"{name}.py").write_text(
            "raise SystemExit('this is not the module that was wanted')\n"
        )


def spec(
    width: int = 0,
    *,
    target: str = "cpu",
    seed: int = 0,
    workload: str = "toys:quick",
    **resources: object,
) -> JobSpec:
    """A trial of the quick toy workload."""
    return JobSpec(
        workload=workload,
        target=target,
        seed=seed,
        params={"width": width},
        resources=dict(resources),
    )


def profile(**targets: Resources) -> Profile:
    """A site with these targets; a lone ``cpu`` by default."""
    return Profile(name="the test's profile", targets=dict(targets) or {"cpu": Resources()})


def record(
    trial: str,
    attempt: int = 1,
    outcome: Outcome = Outcome.completed,
    *,
    sweep: str = "toy",
    **values: object,
) -> Record:
    """A record as a worker would publish it."""
    return Record(
        sweep,
        trial,
        attempt,
        {},
        {"outcome": outcome, "workload": "toys:quick", "target": "cpu", "seed": 0, **values},
    )
