"""What a worker's start took is told once, and shared out over the pack that it was started for."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from runner.sweep.submission import read_array
from tests.patience import PATIENCE_S
from tests.runner.conftest import Desk

RUN = """
import sys
from cluster.place import Place, enter
from runner.run.supervisor import run_supervised
enter(Place("node", "short", "77", 0))
run_supervised(sys.argv[1], 0)
"""


def test_the_trials_of_a_pack_share_the_start_of_their_worker(desk: Desk) -> None:
    desk.run(
        "submit",
        desk.grid("workload: toys:quick\nmatrix: {width: [1, 2, 3]}\n"),
        "--backend",
        "inline",
    )
    (path,) = desk.store_folder.glob("sweeps/toy/*/arrays/*.json")
    submission, array = read_array(path)
    pack = submission.add_array(
        msgspec.structs.replace(array, backend="slurm", packs=[[(0, 2), (1, 2), (2, 2)]])
    )
    subprocess.run([sys.executable, "-P", "-c", RUN, str(pack)], timeout=PATIENCE_S, check=True)
    rows = [
        row
        for spec in submission.specs
        for row in desk.store.read("toy", spec.trial_id)
        if row["attempt"] == 2
    ]
    assert [row["outcome"] for row in rows] == ["completed"] * 3
    assert len({row["startup_s"] for row in rows}) == 1
    assert (
        0
        < 3 * rows[0]["startup_s"]
        < (rows[0]["started_at"] - rows[0]["submitted_at"]).total_seconds()
    )
    for row in rows:
        assert row["queue_s"] + row["startup_s"] == pytest.approx(
            (row["started_at"] - row["submitted_at"]).total_seconds(), abs=1e-3
        )
