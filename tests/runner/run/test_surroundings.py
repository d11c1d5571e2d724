"""What a worker finds other than submit did stands in the record."""

from __future__ import annotations

import json
from pathlib import Path

from tests.patience import PATIENCE_S
from tests.runner.conftest import Desk

GRID = """
workload: toys:saving
matrix: {width: [1, 2]}
fixed: {gate: GATE}
isolate: true
"""


def install(folder: Path, version: str) -> None:
    """Put a package into a folder of packages, in place of its earlier version."""
    for earlier in folder.glob("*.dist-info"):
        (earlier / "METADATA").unlink()
        earlier.rmdir()
    info = folder / f"measured-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: measured\nVersion: {version}\n")


def test_a_package_that_is_upgraded_while_a_trial_waits(desk: Desk, tmp_path: Path) -> None:
    packages, gate = tmp_path / "packages", desk.folder / "gate"
    install(packages, "1.0")
    desk.environment |= {"PYTHONPATH": str(packages), "NCCL_DEBUG": "WARN", "NCCL_TOKEN": "abc"}
    grid = desk.grid(GRID.replace("GATE", str(gate)))
    process = desk.start("submit", grid, "--backend", "inline")
    desk.wait_until(lambda: any(desk.store_folder.glob("files/*/began")), process)
    install(packages, "2.0")
    gate.touch()
    process.communicate(timeout=PATIENCE_S)
    before, after = sorted(desk.json("collect", "toy"), key=lambda row: row["width"])
    assert before["packages_differ"] is None
    assert json.loads(after["packages_differ"]) == {"measured": ["1.0", "2.0"]}
    assert before["packages_digest"] != after["packages_digest"]
    assert before["variables_differ"] is None
    frozen = json.loads((desk.store_folder / "sweeps/toy/001/submission.json").read_text())
    variables = frozen["environment"]["variables"]
    assert variables["NCCL_DEBUG"] == "WARN"
    assert "NCCL_TOKEN" not in variables
    said = desk.run("collect", "toy")
    assert "1 of 2 completed trials was computed with other packages" in said
    assert "measured 2.0, now 1.0" in said
    told = desk.run("diff", "toy")
    assert "1 trial ran with other packages" in told
    assert "measured 1.0, now 2.0" in told
