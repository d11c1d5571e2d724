"""The libraries whose versions each record names in a column of its own."""

from __future__ import annotations

from typing import Final

VERSIONED: Final = {
    "torch_version": "torch",
    "torchvision_version": "torchvision",
    "sklearn_version": "scikit-learn",
    "sklearnex_version": "scikit-learn-intelex",
    "numpy_version": "numpy",
}
"""The package of each column."""
