"""What is queued with a scheduler runs the code that was submitted, also when its task is started
again, whatever was edited meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.site import Site

from .desk import SlurmDesk, at_site

VERSIONED = """\
import time
from pathlib import Path

from helper import VERSION


def main(v: int, gate: str, tally: str, *, context):
    with open(tally, "a") as file:
        file.write("begun\\n")
    while not Path(gate).exists():
        time.sleep(0.05)
    return {"version": VERSION, "path": __file__}
"""

GRID = "workload: ed:main\ntarget: cpu\nmatrix: {v: [1, 2]}\nfixed: {gate: GATE, tally: TALLY}\n"


@pytest.fixture
def desk(running_site: Site, tmp_path: Path) -> Iterator[SlurmDesk]:
    """A desk at the site with accounting."""
    with at_site(running_site, tmp_path) as desk:
        desk.profile("  cpu: {partition: cpu, SMALL}")
        yield desk


def test_edits_reach_no_queued_trial_no_second_life_and_no_reproduction(desk: SlurmDesk) -> None:
    (desk.folder / "ed.py").write_text(VERSIONED)
    (desk.folder / "helper.py").write_text("VERSION = 1\n")
    desk.run("submit", desk.grid(GRID), "--pack", "2")
    desk.until(lambda: desk.ran()["begun"] == 1, "its first trial runs")
    (desk.folder / "helper.py").write_text("VERSION = 2\n")
    (desk.folder / "ed.py").write_text("raise SystemExit('this is the live code')\n")
    desk.profile("  cpu: {partition: nowhere, SMALL}")
    (first,) = desk.begun().values()
    desk.site.run("scontrol", "requeue", str(first.array_job_id))
    desk.until(lambda: desk.ran()["begun"] == 2, "the task was started again")
    (desk.folder / "helper.py").unlink()
    desk.gate.touch()
    desk.until_idle()
    rows = [row for row in desk.rows() if row["outcome"] == "completed"]
    assert [row["version"] for row in rows] == [1, 1]
    (code,) = {row["code"] for row in rows}
    assert {row["path"] for row in rows} == {str(desk.store_folder / "code" / code / "desk/ed.py")}
    assert {row["code"] for row in desk.rows()} == {code}, "the derived one of the first life too"

    desk.profile("  cpu: {partition: cpu, SMALL}")
    again = ["reproduce", "toy", "--into", str(desk.folder / "again"), "--metric", "version"]
    assert "type the same command again" in desk.run(*again), "the scheduler has the trials"
    desk.until_idle()
    compared = desk.run(*again)
    assert "3 identical" in compared, "version 1, from the store alone"
