"""What a reader hands to the prepared cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.data.catalog import Source
from jobs.data.errors import BadSource

Images = NDArray[np.uint8]
Allocate = Callable[[tuple[int, int, int, int]], Images]


@dataclass(frozen=True)
class Contents:
    """A dataset as read; its images are already in the array that `Allocate` gave."""

    labels: NDArray[np.int64]
    """Shape (n,), the training set first, each in [0, number of classes)."""
    n_train: int
    """Size of the training set; n where there is no test set."""
    classes: tuple[str, ...]
    """A name for each class."""


def require_whole(source: Source, path: str, part: str, found: int) -> None:
    """Raise BadSource if a part of a published dataset does not have as many images as were
    published.

    A record that says `mnist` must have been computed on all of it.
    """
    if source.known is None:
        return
    expected = source.known.n_train if part == "train" else source.known.n_test
    if found != expected:
        raise BadSource(
            path,
            f"the {part} set of {source.name} has {expected} images, this one {found}: fetch it "
            "again, or use your own data as npz:FILE",
        )
