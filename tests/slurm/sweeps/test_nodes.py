"""Nodes that are lost, and memory that was too little: what retry changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.site import Site

from .desk import SlurmDesk, at_site

GATED = "workload: trials:gated\nmatrix: {width: [1]}\nfixed: {gate: GATE, tally: TALLY}\n"


@pytest.fixture
def desk(running_site: Site, tmp_path: Path) -> Iterator[SlurmDesk]:
    """A desk at the site with accounting."""
    with at_site(running_site, tmp_path) as desk:
        yield desk


def test_a_lost_node_is_recorded_and_excluded(desk: SlurmDesk) -> None:
    lost = desk.site.node("cpu-2")
    desk.profile(f"  stays: {{partition: cpu, SMALL}}\n  ends: {{partition: cpu, SMALL, additional: {{requeue: false, no-requeue: true}}}}")
    grid = desk.grid(GATED + f"target: [stays, ends]\nresources: {{nodelist: {lost}}}\n")
    desk.run("submit", grid)
    desk.until(lambda: len(desk.ran()) == 2, "both run")
    desk.site.kill_node("cpu-2")
    desk.until(lambda: desk.standing()["node_failed"] == 1, "the node is missed")
    (ends,) = desk.trials(target="ends")
    said = desk.run("retry", ends)
    assert "1 trials queued" in said
    excluded = desk.site.run("squeue", "--noheader", "--Format=exc_nodes:|")
    assert lost in excluded
