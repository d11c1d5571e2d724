"""A node that is lost: what is recorded, what goes on by itself, and what retry changes."""

from __future__ import annotations

from pathlib import Path

from tests.slurm.site import Site

from .desk import at_site

TARGETS = """
  stays: {partition: cpu, SMALL}
  ends: {partition: cpu, SMALL, additional: {requeue: false, no-requeue: true}}
"""


def test_a_lost_node_is_recorded_and_excluded(running_site: Site, tmp_path: Path) -> None:
    with at_site(running_site, tmp_path) as desk:
        desk.profile(TARGETS)
        desk.run(
            "submit",
            desk.grid(
                "workload: trials:gated\ntarget: [stays, ends]\nfixed: {gate: GATE, tally: TALLY}\n"
            ),
        )
        (ends,), (stays,) = desk.trials(target="ends"), desk.trials(target="stays")
        desk.until(lambda: len(desk.ran()) == 2, "both run")
        (lost,) = set(running_site.run("squeue", "--noheader", "--format=%N").split())
        short = next(node.short for node in running_site.nodes if node.name == lost)
        running_site.kill_node(short)
        desk.until(lambda: desk.standing()["node_failed"] == 1, "the node is missed")
        desk.run("collect")  # derives its record
        assert "before a trial began" not in desk.run("status")
        running_site.start_node(short)
        assert "1 trial queued" in desk.run("retry", ends)
        desk.until(lambda: desk.ran() == {ends: 2, stays: 2}, "both run again")
        desk.gate.touch()
        desk.until_idle()
        first, second = desk.rows(target="ends")
        assert (first["outcome"], first["derived"], first["node"]) == ("node_failed", True, lost)
        assert second["outcome"] == "completed"
        assert second["node"] != lost  # which is back, and would be the first choice
        first, second = desk.rows(target="stays")
        assert (first["outcome"], first["node"], second["outcome"]) == (
            "node_failed",
            lost,
            "completed",
        )
