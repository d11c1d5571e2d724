"""The user's own arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.data import open_dataset
from jobs.data.errors import BadSource

X, Y = np.zeros((6, 4, 5, 3), np.uint8), np.array([0, 1, 2, 0, 1, 2])


def test_training_and_test_set(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "own.npz", x_train=X + 1, y_train=Y, x_test=X[:2] + 2, y_test=Y[:2].reshape(2, 1)
    )
    data = open_dataset("npz:own.npz", tmp_path)
    assert (data.images.shape, data.n_train) == ((8, 4, 5, 3), 6)
    assert data.images[:, 0, 0, 0].tolist() == [1] * 6 + [2] * 2
    assert data.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize("keys", [("x_train", "y_train"), ("images", "labels")])
def test_without_a_test_set(tmp_path: Path, keys: tuple[str, str]) -> None:
    arrays: dict[str, Any] = dict(zip(keys, (X[..., 0], Y), strict=True))
    np.savez_compressed(tmp_path / "own.npz", **arrays)
    data = open_dataset("npz:own.npz", tmp_path)
    assert (data.images.shape, data.n_train, data.test_images) == ((6, 4, 5, 1), 6, None)


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"x": X, "y": Y}, "holds x, y; its arrays must be called x_train, y_train"),
        ({"x_test": X, "y_test": Y}, "its arrays must be called"),
        ({"x_train": X / 255, "y_train": Y}, "x_train is float64: give uint8 pixels"),
        (
            {"x_train": X.transpose(0, 3, 1, 2), "y_train": Y},
            r"x_train has shape \(6, 3, 4, 5\): give \(n, height, width\)",
        ),
        ({"x_train": X, "y_train": Y[:5]}, r"y_train has shape \(5,\) for 6 images"),
        ({"x_train": X, "y_train": Y / 1}, "y_train must be whole numbers"),
        (
            {"x_train": X, "y_train": Y - 1},
            "y_train must be whole numbers, 0 for the first class .*least -1",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, 1:], "y_test": Y},
            r"its test images are \(3, 5, 3\), its training ones \(4, 5, 3\)",
        ),
        ({"x_train": X[:0], "y_train": Y[:0]}, "x_train has shape"),
        (
            {"x_train": X, "y_train": np.array([{}] * 6)},
            "cannot be read as an .npz file of plain arrays",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, arrays: dict[str, Any], problem: str) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(BadSource, match=f"own.npz: .*{problem}"):
        open_dataset("npz:own.npz", tmp_path)


def test_another_file_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", X)
    (tmp_path / "own.npz").write_text("no archive")
    for file in ("own.npy", "own.npz"):
        with pytest.raises(BadSource, match=r"not an \.npz file|cannot be read as an \.npz file"):
            open_dataset(f"npz:{file}", tmp_path)
