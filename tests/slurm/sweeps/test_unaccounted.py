"""Sweeps at a site that keeps no accounts: squeue and the files of the store are all there is."""

from __future__ import annotations

from pathlib import Path

from tests.slurm.site import Site

from .desk import at_site

TARGETS = """
  cpu: {partition: cpu, SMALL}
  a30: {partition: gpu-a30, gres: "gpu:a30:1", gpu: none, SMALL}
"""

GRID = """
groups:
  - {workload: toys:moody, target: cpu, matrix: {width: [0, 1, 2, 3, 4, 5, 6, 7, 8]}, fixed: {tally: TALLY}}
  - {workload: trials:gated, target: a30, fixed: {gate: GATE, tally: TALLY}}
"""


def test_a_sweep_without_accounts(running_site_without_accounting: Site, tmp_path: Path) -> None:
    site = running_site_without_accounting
    with at_site(site, tmp_path) as desk:
        desk.profile(TARGETS)
        grid = desk.grid(GRID)
        desk.run("submit", grid, "--pack", "9")
        (gated,) = desk.trials(target="a30")
        desk.until(
            lambda: gated in desk.ran() and desk.outcomes().total() == 9,
            "the pack has ended and the other trial runs",
        )
        assert {row["width"]: row["outcome"] for row in desk.rows(target="cpu")} == {
            0: "completed", 1: "failed", 2: "completed", 3: "killed", 4: "completed",
            5: "crashed", 6: "completed", 7: "out_of_memory", 8: "completed",
        }  # fmt: skip
        assert desk.standing()["running"] == 1
        site.stop_controller()
        site.start_controller(forgetful=True)
        assert desk.standing()["unknown"] == 1
        desk.run("status", "--wait", code=1)
        desk.run("submit", grid, "--pack", "9")
        # The task that SLURM has forgotten lives on; the new one ends it before it begins.
        desk.until(lambda: desk.ran()[gated] == 2, "the trial runs again")
        desk.gate.touch()
        desk.until_idle()
        assert [
            row["outcome"]
            for row in desk.json("collect", "toy", "--attempts")
            if row["trial"] == gated
        ] == ["unknown", "completed"]
