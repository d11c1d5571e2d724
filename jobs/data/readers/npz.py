"""The user's own arrays: an .npz file of uint8 images and whole-numbered labels."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jobs.data.catalog import Source
from jobs.data.contents import Allocate, Contents, Images
from jobs.data.errors import BadSource

_KEYS: Final = "x_train, y_train and, if there is a test set, x_test, y_test; or images, labels"


def read(source: Source, allocate: Allocate) -> Contents:
    """Read x_train, y_train[, x_test, y_test], or images, labels; nothing in the file is
    unpickled."""
    (path,) = source.files
    arrays = _load(path)
    pairs = [
        (arrays[x], arrays[y], x, y)
        for x, y in (("x_train", "y_train"), ("x_test", "y_test"))
        if x in arrays and y in arrays
    ]
    if not pairs and "images" in arrays and "labels" in arrays:
        pairs = [(arrays["images"], arrays["labels"], "images", "labels")]
    if not pairs or pairs[0][2] == "x_test":
        raise BadSource(
            str(path), f"holds {', '.join(arrays) or 'nothing'}; its arrays must be called {_KEYS}"
        )
    parts = [
        (_images(path, images, x), _labels(path, labels, y, len(images)))
        for images, labels, x, y in pairs
    ]
    shape = parts[0][0].shape[1:]
    if parts[-1][0].shape[1:] != shape:
        raise BadSource(
            str(path),
            f"its test images are {parts[-1][0].shape[1:]}, its training ones {shape}: give both "
            "one size",
        )
    height, width, channels = shape
    whole = allocate((sum(len(images) for images, _ in parts), height, width, channels))
    np.concatenate([images for images, _ in parts], out=whole)
    labels = np.concatenate([labels for _, labels in parts])
    return Contents(
        labels, len(parts[0][0]), tuple(str(label) for label in range(int(labels.max()) + 1))
    )


def _load(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise BadSource(str(path), f"is a single array, not an .npz file with {_KEYS}")
        with file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadSource(
            str(path), f"cannot be read as an .npz file of plain arrays ({error})"
        ) from error


def _images(path: Path, images: NDArray[Any], key: str) -> Images:
    if images.dtype != np.uint8:
        raise BadSource(str(path), f"{key} is {images.dtype}: give uint8 pixels, 0 to 255")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise BadSource(
            str(path),
            f"{key} has shape {images.shape}: give (n, height, width) or (n, height, width, 1 or 3 "
            "channels)",
        )
    return images


def _labels(path: Path, labels: NDArray[Any], key: str, n: int) -> NDArray[np.int64]:
    if labels.shape not in ((n,), (n, 1)):
        raise BadSource(
            str(path), f"{key} has shape {labels.shape} for {n} images: give one label an image"
        )
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise BadSource(
            str(path),
            f"{key} must be whole numbers, 0 for the first class (it is {labels.dtype}, least "
            f"{labels.min()})",
        )
    return labels.reshape(n).astype(np.int64)
