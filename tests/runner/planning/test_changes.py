"""Code and data that have changed since a trial was computed are told, and run again on demand
only."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.patience import PATIENCE_S
from tests.runner.conftest import Desk

GRID = """
groups:
  - {name: gated, workload: "toys:saving", fixed: {gate: GATE}}
  - {name: machine, workload: svm, matrix: {C: [1, 2]}, fixed: {dataset: "npz:a.npz", split: [0.6, 0, 0.4]}}
"""
TOLD = "2 of 2 completed trials of group 'machine' were computed on other data"


def write_data(path: Path, seed: int) -> Path:
    """Write images and labels, as many bytes whatever the seed is."""
    images = np.random.default_rng(seed).integers(0, 255, (40, 4, 4), np.uint8)
    np.savez(path, images=images, labels=np.arange(40) % 2)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_data(tmp_path / "data" / "a.npz", 0)


def test_data_that_is_replaced(desk: Desk, data: Path) -> None:
    gate = desk.folder / "gate"
    grid = desk.grid(GRID.replace("GATE", str(gate)))
    process = desk.start("submit", grid, "--backend", "inline", "--data-dir", data.parent)
    desk.wait_until(lambda: any(desk.store_folder.glob("files/*/began")), process)
    before = data.rename(data.with_name("before.npz"))
    write_data(data, 1)
    gate.touch()
    process.communicate(timeout=PATIENCE_S)
    rows = [row for row in desk.json("collect", "toy") if row["workload"] == "svm"]
    read, submitted = {row["data_digest"] for row in rows}, {row["data_submitted"] for row in rows}
    assert len(read) == len(submitted) == 1
    assert read.isdisjoint({None, *submitted})

    assert TOLD not in desk.run("plan", grid)
    shutil.copyfile(before, data)
    assert f"{TOLD} than is there now (npz:a.npz)" in desk.run("plan", grid)
    said = desk.run("submit", grid, "--backend", "inline")
    assert TOLD in said
    assert "nothing to run, 3 of 3" in said
    planned = desk.json("plan", grid, "--rerun-changed")
    assert planned["to_run"] == 2
    (changed,) = planned["changed"]
    assert (changed["group"], len(changed["other_data"])) == ("machine", 2)
    assert "2 of 3 completed trials were computed on other data" in desk.run("collect", "toy")
    desk.run("submit", grid, "--backend", "inline", "--rerun-changed")
    assert "other data" not in desk.run("collect", "toy")
    assert {row["data_digest"] for row in desk.json("collect", "toy")} == {None, *submitted}
    assert len(desk.json("collect", "toy", "--attempts")) == 5
    for now in (before, write_data(data.with_name("after.npz"), 1)):
        shutil.copyfile(now, data)  # each has a completed attempt
        assert desk.json("plan", grid)["changed"] == []


EDITED = """
groups:
  - {name: own, workload: "ed:main", target: cpu, matrix: {v: [1, 2]}}
  - {name: other, workload: "toys:quick", matrix: {width: [1]}}
"""


@pytest.mark.long
def test_code_that_is_edited(desk: Desk) -> None:
    module = desk.folder / "ed.py"
    module.write_text("def main(v):\n    return {'version': 1}\n")
    grid = desk.grid(EDITED)
    desk.run("submit", grid, "--backend", "inline")
    assert "nothing has changed" in desk.run("diff", "toy")
    assert desk.json("plan", grid)["changed"] == []

    module.write_text("def main(v):\n    return {'version': 2}\n")
    (desk.folder / "new.py").write_text("# new\n")
    told = "were computed by other code than would run now (ed.py, new.py)"
    assert f"2 of 2 completed trials of group 'own' {told}" in desk.run("plan", grid)
    said = desk.run("diff", grid)
    assert "3 trials ran other code" in said
    assert "-    return {'version': 1}\n+    return {'version': 2}\n" in said
    (diff,) = desk.json("diff", "toy")
    (code,) = diff["code"]
    assert [(file["name"], file["how"]) for file in code["files"]] == [
        ("ed.py", "changed"),
        ("new.py", "added"),
    ]
    assert told in desk.run("submit", grid, "--backend", "inline")
    rows = desk.json("collect", "toy")
    assert [row["version"] for row in rows if row["workload"] == "ed:main"] == [1, 1]
    noted = "3 of 3 completed trials were computed by other code than the latest submission's"
    assert f"{noted} (ed.py, new.py)" in desk.run("collect", "toy")

    desk.run("submit", grid, "--backend", "inline", "--rerun-changed")
    rows = desk.json("collect", "toy")
    assert [row["version"] for row in rows if row["workload"] == "ed:main"] == [2, 2]
    assert "other code" not in desk.run("collect", "toy")
    assert "nothing has changed" in desk.run("diff", "toy")

    module.write_text("def main(v):\n    return {'version': 1}\n")
    (desk.folder / "new.py").unlink()
    assert desk.json("plan", grid)["changed"] == [], "an attempt under this code is completed"
    desk.run("submit", grid, "--backend", "inline")
    rows = desk.json("collect", "toy")
    assert [row["version"] for row in rows if row["workload"] == "ed:main"] == [1, 1]

    desk.folder.rename(desk.folder.with_name("moved"))
    desk.folder = desk.folder.with_name("moved")
    assert "is not here: compared with the code that the latest submit froze" in desk.run(
        "diff", "toy"
    )
