"""Write a store of many recorded attempts, to measure what reads it: ``python -m
benchmarks.large_store FOLDER [ATTEMPTS]``.

The records are as a sweep of small networks leaves them after compaction: forty parameters, ten
epochs of history, a thousand rows to a file. A target twice as fast, and a batch size that costs
accuracy, are there to be found.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from artifacts import parquet
from artifacts.record import Record
from artifacts.store import Store

SWEEP: Final = "large"
PER_FILE: Final = 1000
SEEDS: Final = 5
TARGETS: Final = ("a30", "t4")
BATCH_SIZES: Final = (16, 32, 64, 128)
EPOCHS: Final = 10


def write(folder: Path, attempts: int) -> None:
    """Write a store with about so many attempts, each of another trial."""
    store = Store(folder)
    store.create()
    records = store.records_folder(SWEEP)
    records.mkdir(parents=True)
    for first in range(0, attempts, PER_FILE):
        numbers = np.arange(first, min(first + PER_FILE, attempts))
        target = records / f"compacted-{uuid.uuid4().hex}.parquet"
        target.write_bytes(parquet.table_bytes(rows(numbers)))


def rows(numbers: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
    """Return the records of the trials of these numbers."""
    seed, rest = numbers % SEEDS, numbers // SEEDS
    target, rest = rest % len(TARGETS), rest // len(TARGETS)
    batch, lr = rest % len(BATCH_SIZES), rest // len(BATCH_SIZES)
    rng = np.random.default_rng(int(numbers[0]))
    accuracy = 0.9 - 0.01 * batch + 0.004 * rng.normal(size=len(numbers))
    train_s = np.where(target == 0, 10, 20) * np.exp(0.02 * rng.normal(size=len(numbers)))
    table = pa.concat_tables([_template()] * len(numbers)).combine_chunks()
    for name, values in {
        "trial": [f"{number:016x}" for number in numbers],
        "seed": seed,
        "target": [TARGETS[i] for i in target],
        "batch_size": [BATCH_SIZES[i] for i in batch],
        "lr": 1e-4 * (lr + 1.0),
        "test_accuracy": accuracy,
        "val_accuracy": accuracy + 0.002 * rng.normal(size=len(numbers)),
        "train_s": train_s,
        "total_s": train_s + 1,
        "samples_per_s": 1e5 / train_s,
    }.items():
        place = table.schema.get_field_index(name)
        kind = table.schema.field(name).type
        table = table.set_column(place, table.schema.field(name), pa.array(values, kind))
    return table


def _template() -> pa.Table:
    parameters: dict[str, Any] = {f"setting_{i:02}": i % 3 for i in range(30)}
    parameters |= {
        "batch_size": 32, "lr": 1e-4, "model": "resnet18", "dataset": "mnist", "epochs": EPOCHS,
        "split": [0.7, 0.1, 0.2], "split_seed": 0, "amp": "off",
    }  # fmt: skip
    told: dict[str, Any] = {
        "outcome": "completed", "workload": "train", "target": "a30", "seed": 0,
        "gpu_name": "NVIDIA A30", "cpu_model": "AMD EPYC", "driver_version": "550.54",
        "torch_version": "2.13.0", "data_digest": "b8dfd1fd7eae08de", "disturbed": False,
        "started_at": 1.7e9, "ended_at": 1.7e9 + 30, "submitted_at": 1.7e9 - 30, "node": "node1",
        "test_accuracy": 0.9, "val_accuracy": 0.9, "train_s": 1.0, "total_s": 2.0,
        "samples_per_s": 1.0, "gpu_mem_allocated_gb": 3.5,
        "history": [
            {"epoch": epoch + 1, "train_loss": 1 / (epoch + 1), "val_accuracy": 0.8 + epoch / 100}
            for epoch in range(EPOCHS)
        ],
    }  # fmt: skip
    return Record(SWEEP, "0" * 16, 1, parameters, told, {}).to_table()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
