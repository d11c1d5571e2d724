"""A group that fails from the start in one and the same way is stopped; results are not."""

from __future__ import annotations

import json

from tests.runner.conftest import Desk

HOPELESS = """\
groups:
  - {workload: "toys:hopeless", matrix: {width: {range: [0, 30]}}, fixed: {tally: TALLY}}
  - {workload: "toys:quick", matrix: {width: [1, 2]}}
"""


def test_the_same_traceback_from_the_first_trials_stops_the_group_and_says_so(desk: Desk) -> None:
    said = desk.run("submit", desk.grid(HOPELESS), "--backend", "inline", code=1)
    assert "was stopped: its first 3 trials failed in the same way" in said
    assert len(desk.ran()) == 3
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 2, "failed": 3, "waiting": 27}
    assert "was stopped" in desk.run("status", "toy")


def test_a_group_with_a_completed_trial_goes_on(desk: Desk) -> None:
    text = "workload: toys:hopeless\nmatrix: {width: {range: [-1, 8]}}\nfixed: {tally: TALLY}\n"
    said = desk.run("submit", desk.grid(text), "--backend", "inline", code=1)
    assert "was stopped" not in said
    assert len(desk.ran()) == 9


def test_submitting_again_gives_the_group_another_chance(desk: Desk) -> None:
    grid = desk.grid(HOPELESS)
    desk.run("submit", grid, "--backend", "inline", code=1)
    toys = desk.folder / "toys.py"
    toys.write_text(toys.read_text().replace("if width >= 0:", "if width < 0:"))
    desk.run("submit", grid, "--backend", "inline")
    assert json.loads(desk.run("status", "toy", "--json"))[0]["counts"] == {"completed": 32}
