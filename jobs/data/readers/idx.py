"""The files of MNIST and Fashion-MNIST: IDX, plain or gzipped."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jobs.data.catalog import Source
from jobs.data.contents import Allocate, Contents, require_whole
from jobs.data.errors import BadSource

_UNSIGNED_BYTE: Final = 8


def read(source: Source, allocate: Allocate) -> Contents:
    """Read the four files (train images, train labels, test images, test labels)."""
    train_images, train_labels, test_images, test_labels = (read_idx(path) for path in source.files)
    assert source.known is not None
    for at, (part, images, labels) in enumerate(
        (("train", train_images, train_labels), ("test", test_images, test_labels))
    ):
        path = str(source.files[2 * at])
        require_whole(source, path, part, len(images))
        if images.shape[1:] != source.known.shape[:2]:
            raise BadSource(
                path,
                f"images are {images.shape[1:]}, those of {source.name} are "
                f"{source.known.shape[:2]}",
            )
        if labels.shape != (len(images),) or labels.max(initial=0) >= len(source.known.classes):
            raise BadSource(
                str(source.files[2 * at + 1]),
                f"these are not the labels of {path}: fetch both again",
            )
    n_train = len(train_images)
    whole = allocate((n_train + len(test_images), *source.known.shape))
    whole[:n_train, ..., 0] = train_images
    whole[n_train:, ..., 0] = test_images
    return Contents(
        np.concatenate((train_labels, test_labels)).astype(np.int64), n_train, source.known.classes
    )


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return one IDX file of unsigned bytes, of any number of dimensions.

    Raises:
        BadSource: It is cut off, or something else.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise BadSource(str(path), f"cannot be read ({error}): fetch it again") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != _UNSIGNED_BYTE:
        raise BadSource(str(path), "is not an IDX file of unsigned bytes: fetch it again")
    start = 4 + 4 * data[3]
    if len(data) >= start:
        shape = tuple(int(size) for size in np.frombuffer(data, ">u4", data[3], 4))
        if len(data) == start + int(np.prod(shape, dtype=np.int64)):
            return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
    raise BadSource(str(path), f"is cut off or too long, {len(data)} bytes: fetch it again")
