"""Files of the store that a power cut or a full disk left empty: the same submit goes on."""

from __future__ import annotations

from tests.runner.conftest import Desk

DIES = """
import os
def f(i: int):
    if i == 3 and not os.path.exists("mended"):
        os._exit(9)
    return {"v": i}
"""


def test_an_empty_array_file_of_a_driver_that_died_is_no_dead_end(desk: Desk) -> None:
    (desk.folder / "m.py").write_text(DIES)
    grid = desk.grid("workload: m:f\nmatrix: {i: {range: [0, 5]}}\n")
    desk.run("submit", grid, "--backend", "inline", code=9)
    (desk.store.sweep_folder("toy") / "001" / "arrays" / "0001.json").write_bytes(b"")
    (desk.folder / "mended").touch()
    assert "2 completed" in desk.run("submit", grid, "--backend", "inline")
    assert desk.outcomes() == {"completed": 5, "interrupted": 1}
    assert "nothing to run" in desk.run("submit", grid, "--backend", "inline")
    desk.run("collect", "toy")
    desk.run("status", "toy")
