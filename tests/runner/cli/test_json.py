"""What the commands that run something print for scripts."""

from __future__ import annotations

from tests.runner.conftest import Desk


def test_submit_retry_and_cancel_print_what_they_did(desk: Desk) -> None:
    grid = desk.grid("workload: toys:moody\nmatrix: {width: [1, 2]}\nfixed: {tally: TALLY}\n")
    done = desk.json("submit", grid, "--backend", "inline", code=1)
    assert (done["sweep"], done["submission"], done["backend"], done["trials"], done["to_run"]) == (
        "toy",
        1,
        "inline",
        2,
        2,
    )
    assert done["ran"] == {"completed": 1, "failed": 1}
    (again,) = desk.json("retry", "toy", "--force", code=1)
    assert (again["to_run"], again["ran"]) == (1, {"completed": 0, "failed": 1})
    assert desk.json("retry", "toy") == []
    assert desk.json("cancel", "toy") == [{"sweep": "toy", "tasks": 0, "trials": []}]
    planned = desk.json("submit", grid, "--backend", "inline", "--dry-run")
    assert (planned["to_run"], planned["completed"]) == (1, 1)
