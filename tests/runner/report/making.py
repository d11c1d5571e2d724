"""Records for tests, made and read the way the real ones are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifacts.collect import collect
from artifacts.record import Record
from artifacts.store import Store

SWEEP = "study"


def record(
    number: int,
    parameters: Mapping[str, Any],
    *,
    attempt: int = 0,
    results: Mapping[str, Any] | None = None,
    **values: Any,
) -> Record:
    """The record of trial ``number``: a completed train trial on a CPU unless told otherwise."""
    told: dict[str, Any] = {
        "outcome": "completed",
        "workload": "train",
        "target": "cpu",
        "seed": 0,
        "cpu_model": "Model T",
    } | values
    sweep = told.pop("sweep", SWEEP)
    return Record(sweep, f"{number:016x}", attempt, parameters, told, results or {})


def publish(folder: Path, *records: Record) -> Store:
    """A store that holds the records."""
    store = Store(folder)
    store.create()
    for made in records:
        store.publish(made)
    return store


def collected(folder: Path, *records: Record) -> pa.Table:
    """The records as `runner collect` reads them."""
    store = publish(folder, *records)
    return collect(store, store.sweeps()).table
