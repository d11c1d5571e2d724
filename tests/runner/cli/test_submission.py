"""`runner show --submission` tells what was typed and what it made of the grid."""

from __future__ import annotations

import json
import shlex

from tests.runner.conftest import Desk


def test_the_command_and_the_grid_after_it(desk: Desk) -> None:
    grid = desk.grid("workload: toys:quick\nmatrix: {width: [1, 2]}\nrepeats: 2\n")
    options = ["--set", "width=3, 4", "--limit", "1", "--backend", "inline"]
    for _ in range(2):  # the same again adds nothing
        desk.run("submit", grid, *options)
    grid.write_text("name: toy\nworkload: toys:quick\n")  # what is frozen stays
    said = desk.run("show", "--submission", "toy")
    command = next(line for line in said.splitlines() if line.strip().startswith("command"))
    words = ["runner", "submit", str(grid), *options, "--store", str(desk.store_folder)]
    assert shlex.split(command)[1:] == words
    assert f"typed in     {desk.folder}" in said
    assert "width: [3, 4]" in said
    found = json.loads(desk.run("show", "--submission", "toy/1", "--json"))
    assert found["overrides"] == {"sets": ["width=3, 4"], "on": {}, "limit": 1, "pack": None}
    assert found["submission"] == 1
    assert "it has 1" in desk.run("show", "--submission", "toy/2", code=1)
    desk.run("submit", grid, "--backend", "inline")
    assert desk.run("show", "--submission", "toy").startswith("submission 2 of toy")
    (desk.folder / "again.yaml").write_text(found["grid"])
    assert "nothing to run" not in desk.run("plan", "again.yaml")
    assert "4 trials" in desk.run("plan", "again.yaml")
