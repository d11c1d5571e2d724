"""The data folder: named once, used by every later command of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.runner.conftest import Desk

GRID = "workload: svm\nfixed: {dataset: 'npz:own.npz', kernel: linear}\n"


def _data(folder: Path) -> Path:
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    labels = np.arange(40) % 2
    np.savez(
        folder / "own.npz",
        x_train=images[:30],
        y_train=labels[:30],
        x_test=images[30:],
        y_test=labels[30:],
    )
    return folder


def test_the_store_remembers_the_data_folder_and_a_change_is_told(
    desk: Desk, tmp_path: Path
) -> None:
    first, second = _data(tmp_path / "first"), _data(tmp_path / "second")
    grid = desk.grid(GRID)
    desk.run("submit", grid, "--backend", "inline", code=1)
    desk.run("plan", grid, "--data-dir", first)
    assert not (desk.store_folder / "data-folder").exists(), "plan changes nothing"
    assert "note:" not in desk.run("data", "prepare", "npz:own.npz", "--data-dir", first)
    for command in (
        ["plan", grid],
        ["submit", grid, "--backend", "inline"],
        ["data", "prepare", "npz:own.npz"],
    ):
        assert "note:" not in desk.run(*command)
    assert desk.store.sweeps() == ["toy"]
    told = f"note: the data folder is {second}, but {desk.store_folder} remembers {first}"
    for command in (
        ["plan", grid],
        ["data", "prepare", "npz:own.npz"],
        ["submit", grid, "--backend", "inline"],
    ):
        assert told in desk.run(*command, "--data-dir", second), (
            "said by each until a submit has taken it over"
        )
    assert "note:" not in desk.run("plan", grid, "--data-dir", second)
