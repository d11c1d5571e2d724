"""IDX files, whole and broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.data import open_dataset
from jobs.data.catalog import PUBLISHED
from jobs.data.errors import BadSource
from jobs.data.readers.idx import read_idx


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_plain_and_gzipped_are_the_same(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "images").write_bytes(idx(array))
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx(array)))
    np.testing.assert_array_equal(read_idx(tmp_path / "images"), array)
    np.testing.assert_array_equal(read_idx(tmp_path / "images.gz"), array)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"\0\0\x08\x03\0\0", b"<html>not found</html>", b"\0\0\x0d\x01\0\0\0\0"],
)
def test_what_is_no_idx_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(BadSource, match=r"images: .*fetch it again"):
        read_idx(tmp_path / "images")


def test_a_file_cut_off_is_named(tmp_path: Path) -> None:
    whole = idx(np.zeros((3, 5), np.uint8))
    (tmp_path / "images").write_bytes(whole[:-1])
    (tmp_path / "images.gz").write_bytes(gzip.compress(whole)[:-4])
    for file in ("images", "images.gz"):
        with pytest.raises(BadSource, match="fetch it again"):
            read_idx(tmp_path / file)


def save(raw: Path, train: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    raw.mkdir(parents=True)
    arrays = (train, labels, np.zeros((10_000, 28, 28), np.uint8), np.zeros(10_000, np.uint8))
    for file, array in zip(PUBLISHED["fashion_mnist"].files, arrays, strict=True):
        (raw / file).write_bytes(idx(array))


def test_fashion_mnist_has_its_own_folder_and_classes(tmp_path: Path) -> None:
    images = np.zeros((60_000, 28, 28), np.uint8)
    images[59_999, 27, 1] = 200
    save(tmp_path / "FashionMNIST" / "raw", images, np.full(60_000, 9, np.uint8))
    data = open_dataset("fashion_mnist", tmp_path)
    assert data.images[59_999, 27, 1, 0] == 200
    assert data.classes[data.labels[59_999]] == "Ankle boot"
    assert data.labels[60_000] == 0


def test_half_of_mnist_is_not_mnist(tmp_path: Path) -> None:
    save(
        tmp_path / "MNIST" / "raw", np.zeros((30_000, 28, 28), np.uint8), np.zeros(30_000, np.uint8)
    )
    with pytest.raises(BadSource, match="the train set of mnist has 60000 images, this one 30000"):
        open_dataset("mnist", tmp_path)


def test_labels_of_another_file_are_refused(tmp_path: Path) -> None:
    save(
        tmp_path / "MNIST" / "raw",
        np.zeros((60_000, 28, 28), np.uint8),
        np.full(60_000, 10, np.uint8),
    )
    with pytest.raises(BadSource, match="train-labels-idx1-ubyte: these are not the labels of"):
        open_dataset("mnist", tmp_path)
