"""The pickled batches: read as Python 2 wrote them, and never opened unchecked."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.data import open_dataset
from jobs.data.catalog import PUBLISHED, Source
from jobs.data.errors import BadSource, ChecksumMismatch
from jobs.data.readers import cifar
from jobs.data.readers.cifar import PUBLISHED_MD5, read_batch


def text(value: bytes) -> bytes:
    return b"U" + bytes([len(value)]) + value


def python2_batch(pixels: NDArray[np.uint8], labels: list[int]) -> bytes:
    """A batch as Python 2 and an old numpy pickled it: byte strings, and numpy.core where
    numpy._core is today."""
    shape = b"".join(b"M" + struct.pack("<H", size) for size in pixels.shape) + b"\x86"
    dtype = (
        b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    raw = b"T" + struct.pack("<i", pixels.size) + pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01"
        + shape
        + dtype
        + b"\x89"
        + raw
        + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return (
        b"\x80\x02}("
        + text(b"data")
        + array
        + text(b"labels")
        + numbers
        + text(b"batch_label")
        + text(b"a batch")
        + b"u."
    )


class Trap:
    """Unpickling one makes a file; whoever does it has run a program from a data file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_a_batch_of_python_2_is_read(tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (4, 3072), np.uint8)
    (tmp_path / "data_batch_1").write_bytes(python2_batch(pixels, [6, 9, 9, 4]))
    read, labels = read_batch(tmp_path / "data_batch_1", md5(tmp_path / "data_batch_1"))
    np.testing.assert_array_equal(read, pixels)
    assert labels.tolist() == [6, 9, 9, 4]
    assert labels.dtype == np.int64


def test_nothing_is_unpickled_that_has_not_passed_its_checksum(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in PUBLISHED_MD5:
        (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(
        ChecksumMismatch,
        match=r"data_batch_1: md5 is .*, the published file has c99cafc1.*: delete it",
    ):
        open_dataset("cifar10", tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_even_a_file_with_the_right_checksum_can_only_make_arrays(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(BadSource, match=r"it asks for posix.mkdir"):
        read_batch(tmp_path / "batch", md5(tmp_path / "batch"))
    assert not (tmp_path / "sprung").exists()


def test_all_batches_become_one_array_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (6, 10, 3072), np.uint8)
    files = tuple(tmp_path / name for name in PUBLISHED_MD5)
    for at, file in enumerate(files):
        file.write_bytes(python2_batch(pixels[at], [at] * 10))
    monkeypatch.setattr(cifar, "PUBLISHED_MD5", {file.name: md5(file) for file in files})
    images = np.empty((60, 32, 32, 3), np.uint8)
    contents = cifar.read(
        Source("cifar10", "cifar", files, replace(PUBLISHED["cifar10"], n_train=50, n_test=10)),
        lambda shape: images,
    )
    assert contents.n_train == 50
    assert contents.labels[[0, 49, 50]].tolist() == [0, 4, 5]
    # One row of a batch is all red, then all green, then all blue values; an image has them side by
    # side.
    np.testing.assert_array_equal(images[57, 2, 5], pixels[5, 7].reshape(3, 32, 32)[:, 2, 5])
