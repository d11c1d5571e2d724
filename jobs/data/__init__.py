"""Datasets, seeded splits, the prepared cache, and pretrained weights.

Importing this costs nothing: numpy and the decoders are loaded by the first dataset that is opened.
"""

from __future__ import annotations

from jobs.data.catalog import DEFAULT, missing, name_problem, names
from jobs.data.errors import DataError
from jobs.data.opening import (
    Prepared,
    open_dataset,
    prepare,
    prepare_weights,
    source_digest,
    split_refusal,
)
from jobs.data.weights import are_weights, missing_weights, weights_names

__all__ = [
    "DEFAULT",
    "DataError",
    "Prepared",
    "are_weights",
    "missing",
    "missing_weights",
    "name_problem",
    "names",
    "open_dataset",
    "prepare",
    "prepare_weights",
    "source_digest",
    "split_refusal",
    "weights_names",
]
