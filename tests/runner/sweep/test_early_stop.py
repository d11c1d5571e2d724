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


DIVERGING = "workload: toys:diverging\nmatrix: {lr: [10, 5, 2, 0.1, 0.01]}\nfixed: {tally: TALLY}\n"


def test_trials_that_were_never_tried_go_before_those_that_failed(desk: Desk) -> None:
    grid = desk.grid(DIVERGING)
    said = desk.run("submit", grid, "--backend", "inline", code=1)
    assert (
        "submit again, which runs them before the failed ones, or submit with --keep-going" in said
    )
    assert desk.run("status", "toy").count("--keep-going") == 1
    first = list(desk.ran())
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 2, "failed": 3}
    assert not set(first) & {"small:0.1", "small:0.01"}


def test_a_group_is_told_to_keep_going(desk: Desk) -> None:
    said = desk.run("submit", desk.grid(DIVERGING), "--backend", "inline", "--keep-going", code=1)
    assert "was stopped" not in said
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 2, "failed": 3}


def test_what_differs_from_the_failed_trials_in_a_setting_they_share_is_tried(desk: Desk) -> None:
    text = (
        "workload: toys:diverging\nmatrix: {model: [broken, small], lr: {linspace: [0.1, 0.4, "
        "30]}}\nfixed: {tally: TALLY}\n"
    )
    grid = desk.grid(text)
    said = desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 30, "failed": 3, "waiting": 27}
    assert "since then one has completed: submit again to run those that were left out" in said
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 30, "failed": 30}


def test_long_axes_do_not_keep_a_hopeless_group_going(desk: Desk) -> None:
    text = (
        "workload: toys:diverging\nmatrix: {model: [broken, b, c, d], lr: {linspace: [1, 9, "
        "10]}}\nrepeats: 4\nfixed: {tally: TALLY}\n"
    )
    said = desk.run("submit", desk.grid(text), "--backend", "inline", code=1)
    assert "was stopped: its first 7 trials" in said  # three seeds, two more rates, two more models
    assert sum(desk.ran().values()) == 7


def test_failures_before_a_new_submit_are_no_evidence(desk: Desk) -> None:
    grid = desk.grid(DIVERGING.replace("[10, 5, 2, 0.1, 0.01]", "[16, 15, 14, 13, 12, 11, 0.1]"))
    desk.run("submit", grid, "--backend", "inline", code=1)
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert sum(desk.ran().values()) == 6
    desk.run("submit", grid, "--backend", "inline", code=1)
    assert desk.json("status", "toy")[0]["counts"] == {"completed": 1, "failed": 6}
