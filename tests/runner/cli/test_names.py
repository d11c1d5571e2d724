"""Sweeps by name and grids by file: each is taken where it can be, and explained where it
cannot."""

from __future__ import annotations

from tests.runner.conftest import Desk

GRID = "workload: toys:quick\nmatrix: {width: [1, 2]}\n"


def test_names_and_files_explain_each_other(desk: Desk) -> None:
    grid = desk.grid(GRID, "my-sweep")
    submitted = desk.run("submit", grid, "--backend", "inline")
    assert f"next: runner collect my-sweep --store {desk.store_folder} " in submitted
    for command in (["collect"], ["status"], ["show", "--failed"], ["retry"], ["cancel"]):
        said = desk.run(*command, "grid.yaml", code=0)
        assert "my-sweep" in said or "nothing to retry" in said, command
    assert "grid.yaml is the grid of the sweep 'my-sweep'" in desk.run("status", "grid.yaml")
    refused = desk.run("submit", "my-sweep", code=2)
    assert (
        "'my-sweep' is the name of a sweep, but this command takes the file of a grid: that sweep was "
        "submitted from grid.yaml" in refused
    )
    assert "file 'other.yaml' does not exist" in desk.run("plan", "other.yaml", code=2)
    assert "other.yaml does not exist: name one of the store's sweeps (my-sweep)" in desk.run(
        "collect", "other.yaml", code=2
    )


def test_status_names_the_file_to_submit_again(desk: Desk) -> None:
    grid = desk.grid(GRID)
    desk.run("submit", grid, "--backend", "inline", "--limit", "1")
    assert f"next: runner submit grid.yaml --store {desk.store_folder} " in desk.run("status")
    grid.unlink()
    assert f"next: runner retry toy --store {desk.store_folder} " in desk.run("status")
