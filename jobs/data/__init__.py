"""Datasets, seeded splits and the prepared cache.

Importing this costs nothing: numpy and the decoders are loaded by the first dataset that is opened.
"""

from __future__ import annotations

from jobs.data.catalogue import DEFAULT, missing, name_problem, names
from jobs.data.errors import DataError
from jobs.data.opening import Prepared, open_dataset, prepare

__all__ = ["DEFAULT", "DataError", "Prepared", "missing", "name_problem", "names", "open_dataset", "prepare"]
