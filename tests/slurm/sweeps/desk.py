"""A user's folder at a running SLURM."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runner.sweep.journal import AttemptStarted, read_all
from runner.sweep.sweep import Sweep
from tests.patience import PATIENCE_S
from tests.runner.builders import WORKLOADS, hide_what_is_needed
from tests.runner.conftest import Desk
from tests.slurm.site import Site

OWN_WORKLOADS = Path(__file__).parent / "workloads"

SMALL = "cpus: 1, mem_gb: 1, time_min: 20"


class SlurmDesk(Desk):
    """Types commands on the login node of a site."""

    def __init__(self, folder: Path, site: Site) -> None:
        folder.mkdir()
        for source in (WORKLOADS / "toys.py", *OWN_WORKLOADS.glob("*.py")):
            (folder / source.name).write_text(source.read_text().replace("DESK", str(folder)))
        hide_what_is_needed(folder)
        super().__init__(folder, folder / "store")
        self.site = site
        self.gate = folder / "gate"
        # A desk may serve several tests, each of which has a state folder of its own.
        self.environment["XDG_STATE_HOME"] = str(folder / "state")
        self._collected: dict[str, list[dict[str, Any]]] = {}

    def profile(self, targets: str, slurm: str = "{}") -> None:
        """Write the site's cluster.yaml; `SMALL` in it is what a small trial needs."""
        text = targets.replace("SMALL", SMALL)
        (self.folder / "cluster.yaml").write_text(
            f"backend: slurm\ntargets:\n{text}\nslurm: {slurm}\n"
        )

    def grid(self, text: str, name: str = "toy") -> Path:
        """Write a grid, `TALLY` and `GATE` in it replaced, to a file of its own."""
        path = self.folder / f"{name}.yaml"
        path.write_text(
            f"name: {name}\n"
            + text.replace("TALLY", str(self.tally)).replace("GATE", str(self.gate))
        )
        return path

    def begun(self, sweep: str = "toy") -> dict[tuple[str, int], AttemptStarted]:
        """What the workers noted when they began, by trial and attempt."""
        entries = read_all(self.store.sweep_folder(sweep))
        return {
            (entry.trial, entry.attempt): entry
            for entry in entries
            if isinstance(entry, AttemptStarted)
        }

    def tasks(self, sweep: str = "toy") -> dict[str, str]:
        """SLURM's id of the array task that began each trial last."""
        return {
            entry.trial: f"{entry.array_job_id}_{entry.array_task_id}"
            for _, entry in sorted(self.begun(sweep).items())
        }

    def trials(self, sweep: str = "toy", **wanted: Any) -> list[str]:
        """Ids of the trials of a sweep with these parameters (or target)."""
        specs = Sweep(self.store, sweep).latest.specs
        return [
            spec.trial_id
            for spec in specs
            if wanted.items()
            <= {**spec.params, "target": spec.target, "workload": spec.workload}.items()
        ]

    def rows(self, sweep: str = "toy", **wanted: Any) -> list[dict[str, Any]]:
        """Every attempt of the trials with these parameters (or columns), in order of attempts, as
        it was when first asked for."""
        if sweep not in self._collected:
            self._collected[sweep] = self.json("collect", sweep, "--attempts")
        return sorted(
            (row for row in self._collected[sweep] if wanted.items() <= row.items()),
            key=lambda row: row["attempt"],
        )

    def until(self, true: Callable[[], object], what: str) -> None:
        """Until a condition holds; squeue's words and the journal tell why it does not."""
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, (
                "waited in vain until "
                f"{what}:\n{self.site.run('squeue', '--all')}\n{self.outcomes_text()}"
            )
            time.sleep(0.3)

    def until_idle(self) -> None:
        """Until SLURM has nothing left of this user's."""
        self.until(lambda: not self.site.run("squeue", "--noheader"), "the queue is empty")

    def outcomes_text(self) -> str:
        """What is recorded of every sweep."""
        return "\n".join(f"{sweep}: {dict(self.outcomes(sweep))}" for sweep in self.store.sweeps())

    def standing(self, sweep: str = "toy") -> Counter[str]:
        """The counts that `runner status` gives."""
        return Counter(self.json("status", sweep)[0]["counts"])


@contextmanager
def at_site(site: Site, folder: Path) -> Iterator[SlurmDesk]:
    """A desk whose commands talk to the site; afterward the queue is emptied and every node is
    back."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RUNNER_STORE", "RUNNER_DATA"):
            patch.delenv(name, raising=False)
        patch.setenv("SLURM_CONF", site.environment["SLURM_CONF"])
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("RUNNER_CACHE", str(folder / "cache"))
        desk = SlurmDesk(folder / "desk", site)
        try:
            yield desk
        finally:
            desk.clean_up()
            site.recover()
