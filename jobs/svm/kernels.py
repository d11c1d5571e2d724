"""Predictions of a fitted SVC, as matrix products in the precision of its fit.

One product of all images with all support vectors keeps every core busy, where libsvm takes one
pair of vectors after another. It also stands in for scikit-learn-intelex's own float32 predictions:
in 2026.2 these can be wrong for one of the pairs of classes although the fitted coefficients are
right (seen on MNIST: all fours of that pair called nines).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32] | NDArray[np.float64]

BLOCK_BYTES = 256 * 2**20
"""Largest piece of the kernel matrix that is held at a time."""


@dataclass(frozen=True)
class Kernel:
    """A kernel function with its constants, as scikit-learn defines them."""

    name: Literal["linear", "poly", "rbf", "sigmoid"]
    gamma: float
    degree: int
    coef0: float

    def __call__(self, left: Matrix, right: Matrix) -> Matrix:
        """Values for all pairs of rows, in their precision; shapes (n, features) and (m, features)
        give (n, m)."""
        values: Matrix = left @ right.T
        number = values.dtype.type
        if self.name == "linear":
            return values
        values *= number(-2 * self.gamma if self.name == "rbf" else self.gamma)
        if self.name == "rbf":
            values += self.gamma * _squares(left)[:, None] + self.gamma * _squares(right)
            np.exp(np.negative(values, out=values), out=values)
            return values
        values += number(self.coef0)
        if self.name == "poly":
            np.power(values, self.degree, out=values)
        else:
            np.tanh(values, out=values)
        return values


def predict(model: Any, kernel: Kernel, images: Matrix) -> NDArray[Any]:
    """Return the class of each image, by libsvm's votes: every pair of classes casts one, and the
    first of equals wins.

    Args:
        model: A fitted SVC of scikit-learn or scikit-learn-intelex.
        kernel: The one it was fitted with.
        images: Shape (n, features); their precision is computed with.

    Returns:
        Shape (n,), values of ``model.classes_``.
    """
    vectors = cast(Matrix, np.ascontiguousarray(model.support_vectors_, dtype=images.dtype))
    rows = max(1, BLOCK_BYTES // (images.dtype.itemsize * len(vectors)))
    blocks = [
        _votes(model, kernel(images[start : start + rows], vectors))
        for start in range(0, len(images), rows)
    ]
    return (
        np.asarray(model.classes_)[np.concatenate(blocks)]
        if blocks
        else np.empty(0, model.classes_.dtype)
    )


def _votes(model: Any, values: Matrix) -> NDArray[np.intp]:
    """Index of the winning class for each row of kernel values of shape (n, support vectors)."""
    coefficients = cast(
        Matrix, np.asarray(model.dual_coef_, dtype=values.dtype)
    )  # one row for each class but a vector's own
    if len(model.classes_) == 2:  # scikit-learn turns the sign of the only pair
        return np.asarray(values @ coefficients[0] + model.intercept_[0] > 0, dtype=np.intp)
    edges = np.concatenate([[0], np.cumsum(model.n_support_)])
    parts = [
        values[:, start:stop] @ coefficients[:, start:stop].T for start, stop in pairwise(edges)
    ]
    votes = np.zeros((len(values), len(parts)), np.int32)
    pair = 0
    for first in range(len(parts)):
        for second in range(first + 1, len(parts)):
            wins = (
                parts[first][:, second - 1] + parts[second][:, first] + model.intercept_[pair] > 0
            )
            votes[:, first] += wins
            votes[:, second] += ~wins
            pair += 1
    return np.asarray(votes.argmax(axis=1))


def _squares(rows: Matrix) -> Matrix:
    squares: Matrix = np.einsum("ij,ij->i", rows, rows)
    return squares
