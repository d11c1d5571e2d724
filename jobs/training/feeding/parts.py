"""The training, validation and test part of a data set, as tensors over the mapped arrays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from jobs.data.dataset import Dataset
from jobs.data.splits import Split
from jobs.training.errors import NothingToTrainOn
from jobs.training.fields import TrainParams


@dataclass(frozen=True)
class Part:
    """Some images of a data set."""

    images: Tensor
    """All of the data set, uint8 of shape (n_all, height, width, channels), mapped from disk."""
    labels: Tensor
    """int64 of shape (n_all,)."""
    rows: Tensor
    """int64 of shape (n,), which of them belong to this part."""

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Parts:
    """The three parts; validation and test may be empty."""

    train: Part
    val: Part
    test: Part


def cut(params: TrainParams, dataset: Dataset) -> Split:
    """Return the split that the parameters ask for.

    Raises:
        BadSplit: It cannot be cut from this data set.
        NothingToTrainOn: No batch can be made of its training part.
    """
    split = dataset.split(
        params.split,
        seed=params.split_seed,
        train_subset=params.train_subset,
        test_subset=params.test_subset,
    )
    if len(split.train) == 0:
        raise NothingToTrainOn(
            "the split leaves the training part empty; give it a larger fraction, or more images"
        )
    return split


def parts_of(dataset: Dataset, split: Split) -> Parts:
    """Return the parts over one pair of tensors, which share the memory of the mapped arrays."""
    images, labels = _as_tensor(dataset.images), _as_tensor(dataset.labels)
    return Parts(
        *(
            Part(images, labels, torch.from_numpy(rows))
            for rows in (split.train, split.val, split.test)
        )
    )


def _as_tensor(array: np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.int64]]) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "The given NumPy array is not writable"
        )  # nothing here writes
        return torch.from_numpy(array)
