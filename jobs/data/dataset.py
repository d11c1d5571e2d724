"""An opened dataset: arrays that lie on disk and are mapped, not copied, into the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jobs.data import splits

_BRIGHTEST: Final = 255.0


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel, float64 of shape (channels,), for pixels scaled
    to [0, 1].

    A channel that never changes has a standard deviation of 1, so that dividing by it does no harm.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """All images of a dataset, its official training set first, then its test set if it has one."""

    name: str
    """As the grid writes it."""
    images: NDArray[np.uint8]
    """uint8, shape (n, height, width, channels), read-only and mapped from disk."""
    labels: NDArray[np.int64]
    """int64, shape (n,), read-only."""
    n_train: int
    """Size of the official training set; n where there is no official test set."""
    classes: tuple[str, ...]
    """A name for each class."""
    digest: str
    """sha256 of pixels and labels: equal on two machines exactly if the data is."""
    source: str
    """Digest of the files it was prepared from."""
    folder: Path
    """The prepared folder the arrays are mapped from."""
    _sums: NDArray[np.int64] = field(repr=False)

    @property
    def train_images(self) -> NDArray[np.uint8]:
        """Return the official training set, a view."""
        return self.images[: self.n_train]

    @property
    def train_labels(self) -> NDArray[np.int64]:
        """Return the labels of the official training set, a view."""
        return self.labels[: self.n_train]

    @property
    def test_images(self) -> NDArray[np.uint8] | None:
        """Return the official test set, a view; None if there is none."""
        return self.images[self.n_train :] if self.n_train < len(self.images) else None

    @property
    def test_labels(self) -> NDArray[np.int64] | None:
        """Return the labels of the official test set, a view; None if there is none."""
        return self.labels[self.n_train :] if self.n_train < len(self.labels) else None

    def split(
        self,
        how: splits.How = "official",
        *,
        seed: int = 0,
        train_subset: int | None = None,
        test_subset: int | None = None,
    ) -> splits.Split:
        """Cut into training, validation and test part; see `jobs.data.splits.split`."""
        return splits.split(
            self.labels,
            self.n_train,
            how,
            seed=seed,
            train_subset=train_subset,
            test_subset=test_subset,
        )

    def statistics(self, indices: NDArray[np.int64] | None = None) -> ChannelStatistics:
        """Channel mean and deviation over the images at `indices`, by default over the official
        training set.

        The sums of every image were taken when the data was prepared, as whole numbers: any part's
        figures are exact, do not depend on the order of adding, and cost no pass over the pixels.
        """
        chosen = self._sums[: self.n_train] if indices is None else self._sums[indices]
        pixels = len(chosen) * self.images.shape[1] * self.images.shape[2]
        total, squares = chosen.sum(axis=0, dtype=np.int64).astype(np.float64)
        mean = total / pixels
        std = np.sqrt(np.maximum(squares / pixels - mean**2, 0.0))
        return ChannelStatistics(mean / _BRIGHTEST, np.where(std > 0, std / _BRIGHTEST, 1.0))
