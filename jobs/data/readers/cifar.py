"""The pickled batches of CIFAR-10, opened only after their checksum was seen.

A pickle is a program. Each file is read once; the very bytes whose md5 is the published one are
unpickled, by an unpickler that knows how to make a numpy array and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jobs.data.catalog import Source
from jobs.data.contents import Allocate, Contents, require_whole
from jobs.data.errors import BadSource, ChecksumMismatch

PUBLISHED_MD5: Final[Mapping[str, str]] = {  # torchvision's table; a test compares the two
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}

_MAY_BE_MADE: Final = frozenset(
    (("numpy.core.multiarray", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"))
)


def read(source: Source, allocate: Allocate) -> Contents:
    """Read the five training batches and the test batch."""
    assert source.known is not None
    batches = [read_batch(path, PUBLISHED_MD5[path.name]) for path in source.files]
    n_train = sum(len(pixels) for pixels, _ in batches[:-1])
    require_whole(source, str(source.files[0].parent), "train", n_train)
    images = allocate((sum(len(pixels) for pixels, _ in batches), *source.known.shape))
    height, width, channels = source.known.shape
    start = 0
    for pixels, _ in batches:
        images[start : start + len(pixels)] = pixels.reshape(-1, channels, height, width).transpose(
            0, 2, 3, 1
        )
        start += len(pixels)
    return Contents(
        np.concatenate([labels for _, labels in batches]), n_train, source.known.classes
    )


def read_batch(path: Path, md5: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the pixels (n, 3 * 32 * 32), channel by channel, and labels (n,) of one batch.

    Raises:
        ChecksumMismatch: The file is not the published one; it was not unpickled.
        BadSource: It cannot be read, or holds something else than a batch.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadSource(str(path), f"cannot be read ({error.strerror})") from error
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ChecksumMismatch(str(path), md5, found)
    try:
        batch = _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
        return np.asarray(batch["data"], np.uint8), np.asarray(batch["labels"], np.int64)
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise BadSource(str(path), f"is not a batch of CIFAR-10 ({error})") from error


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _MAY_BE_MADE:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        # Python 2's numpy called this module core; the names now lie one underscore away.
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)
