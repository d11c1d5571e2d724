"""The Hugging Face layout, in the shapes it comes in."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from jobs.data.catalog import PUBLISHED, Source
from jobs.data.contents import Contents
from jobs.data.errors import BadSource
from jobs.data.readers import parquet

SMALL = replace(PUBLISHED["cifar10"], n_train=3, n_test=1)


def png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def shard(
    path: Path, images: list[Any], labels: list[int], image: str = "img", label: str = "label"
) -> None:
    pq.write_table(pa.table({image: images, label: labels}), path)


def read(*files: Path) -> tuple[Contents, NDArray[np.uint8]]:
    given: list[NDArray[np.uint8]] = []

    def allocate(shape: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        given.append(np.zeros(shape, np.uint8))
        return given[-1]

    return parquet.read(Source("cifar10", "parquet", files, SMALL), allocate), given[0]


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.RandomState(0).randint(0, 256, (4, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(("image", "label"), [("img", "label"), ("image", "labels")])
def test_shards_join_in_order_whatever_the_columns_are_called(
    tmp_path: Path, pixels: NDArray[np.uint8], image: str, label: str
) -> None:
    encoded = [{"bytes": png(one), "path": None} for one in pixels]
    shard(tmp_path / "train-0", encoded[:2], [1, 2], image, label)
    shard(tmp_path / "train-1", encoded[2:3], [3], image, label)
    shard(tmp_path / "test-0", encoded[3:], [9], image, label)
    contents, images = read(tmp_path / "train-0", tmp_path / "train-1", tmp_path / "test-0")
    np.testing.assert_array_equal(images, pixels)
    assert contents.labels.tolist() == [1, 2, 3, 9]
    assert contents.n_train == 3


def test_images_may_be_plain_bytes(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    shard(tmp_path / "train-0", [png(one) for one in pixels[:3]], [0, 0, 0])
    shard(tmp_path / "test-0", [png(pixels[3])], [0])
    np.testing.assert_array_equal(read(tmp_path / "train-0", tmp_path / "test-0")[1], pixels)


@pytest.mark.parametrize(
    ("images", "labels", "problem"),
    [
        ([b"no image"] * 3, [0, 0, 0], "row 0 is not an image"),
        (
            [{"bytes": None, "path": "1.png"}] * 3,
            [0, 0, 0],
            "row 0 names an image instead of holding it",
        ),
        (
            [png(np.zeros((28, 28, 3), np.uint8))] * 3,
            [0, 0, 0],
            r"row 0 is \(28, 28\), the images of this dataset are \(32, 32\)",
        ),
        ([png(np.zeros((32, 32, 3), np.uint8))] * 3, [0, 10, 0], "labels outside 0 to 9"),
        (
            [png(np.zeros((32, 32, 3), np.uint8))] * 2,
            [0, 0],
            "the train set of cifar10 has 3 images, this one 2",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, images: list[Any], labels: list[int], problem: str
) -> None:
    shard(tmp_path / "train-0", images, labels)
    shard(tmp_path / "test-0", images[:1], labels[:1])
    with pytest.raises(BadSource, match=f"train-0: .*{problem}"):
        read(tmp_path / "train-0", tmp_path / "test-0")


def test_a_shard_without_images_or_cut_off_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"] * 3, "label": [0] * 3}), tmp_path / "train-0")
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), tmp_path / "test-0")
    with pytest.raises(BadSource, match=r"has no column img or image \(it has text, label\)"):
        read(tmp_path / "train-0", tmp_path / "test-0")
    (tmp_path / "train-0").write_bytes((tmp_path / "train-0").read_bytes()[:-9])
    with pytest.raises(BadSource, match="train-0: is not a whole Parquet file"):
        read(tmp_path / "train-0", tmp_path / "test-0")
