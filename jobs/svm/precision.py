"""Which precision an SVM's kernel matrix needs, told before the fit.

A float32 solver sees the kernel matrix with an error. Where its values are large beside the
distances that tell the images apart (bright images of low contrast), the error moves the gradient
by more than the solver's own tolerance, and it stops at another solution; where they are beyond the
range of float32, it need not stop at all.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from jobs.svm.kernels import Kernel, Matrix

Precision = Literal["float32", "float64"]

_SAMPLE = 256
"""Rows whose kernel matrix is looked at."""
_TOLERANCE = 5e-4
"""Half of the solver's own, in the gradient."""
_LARGEST = {"float32": 1e30, "float64": 1e120}
"""Kernel values whose products with coefficients, and sums of these, are still finite."""


def needed(kernel: Kernel, images: Matrix, C: float) -> Precision | None:  # noqa: N803 - the parameter's name everywhere
    """Return the least precision that tells the images apart; None where the kernel is beyond both.

    Args:
        kernel: The one to be fitted with.
        images: Of the training part, float32 of shape (n, features).
        C: The trial's own: no coefficient of the solution is larger.
    """
    largest = _bound(kernel, images)
    if not largest < _LARGEST["float64"]:
        return None
    if largest < _LARGEST["float32"] and _error_in_gradient(kernel, images, C) < _TOLERANCE:
        return "float32"
    return "float64"


def _bound(kernel: Kernel, images: Matrix) -> float:
    """Return what no kernel value exceeds: |x . y| is at most the larger |x| squared."""
    if kernel.name in ("rbf", "sigmoid"):
        return 1.0
    longest = float(np.einsum("ij,ij->i", images, images, dtype=np.float64).max(initial=0.0))
    if kernel.name == "linear":
        return longest
    with np.errstate(over="ignore"):
        return float(np.float64(kernel.gamma * longest + abs(kernel.coef0)) ** kernel.degree)


def _error_in_gradient(kernel: Kernel, images: Matrix, C: float) -> float:  # noqa: N803
    """Return how far float32 may move an entry of the gradient, estimated on a sample of the
    images.

    An entry is a sum over the images of coefficient times kernel value. A coefficient is at most C,
    and of the order of one over the squared distance of two images in the kernel's space; the
    errors of n values add up like the square root of n.
    """
    rows = np.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).astype(np.int64)
    sample = images[rows]
    wide = sample.astype(np.float64)
    exact = kernel(wide, wide).astype(np.float64)
    apart = ~np.eye(len(rows), dtype=bool)
    if not apart.any():
        return 0.0
    norms = exact.diagonal()
    distance = float(np.median((norms[:, None] + norms - 2 * exact)[apart]))
    error = float(np.sqrt(np.mean(np.square(kernel(sample, sample) - exact)[apart])))
    error = max(error, float(np.finfo(np.float32).eps * np.median(np.abs(exact[apart]))))
    coefficient = C if distance <= 0 else min(C, 1 / distance)
    return float(np.sqrt(len(images)) * coefficient * error)
