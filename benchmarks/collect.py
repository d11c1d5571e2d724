"""Collecting and asking a sweep of many attempts, beside pyarrow reading the same rows.

python -m benchmarks.collect [--attempts N,...]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from artifacts import parquet
from artifacts.publish import publish
from artifacts.record import Record
from artifacts.store import Store
from benchmarks.machine import describe
from jobs.spec import JobSpec
from jobs.training.params import TrainParams
from runner.planning.plan import Options
from runner.planning.request import read_request
from runner.run.freezing import freeze_request
from runner.sweep.lock import sweep_lock
from runner.sweep.sweep import Sweep

SWEEP = "large"
PER_FILE = 1000
"""Records in a file, as a worker compacts them."""
EPOCHS = 10
SQL = "SELECT target, weight_decay, median(samples_per_s) FROM results GROUP BY ALL"
CURVES = "SELECT epoch, avg(val_accuracy) FROM epochs GROUP BY ALL"
READ = "import sys, pyarrow.parquet as pq; print(pq.read_table(sys.argv[1]).num_rows)"


class Measured(NamedTuple):
    """How long a command took, its CPU time, and its peak of memory."""

    seconds: float
    cpu_s: float
    peak_gb: float


def grid(n_attempts: int) -> dict[str, Any]:
    """Return a grid of so many trials: ten values of three axes, and repeats."""
    axes = [n_attempts // 10, 10, 1] if n_attempts <= 1000 else [20, 50, 1]
    return {
        "name": SWEEP,
        "workload": "train",
        "matrix": {
            "lr": [round(1e-5 * (k + 0.5), 6) for k in range(axes[0])],
            "weight_decay": [round(1e-6 * (k + 1), 7) for k in range(axes[1])],
        },
        "fixed": {"dataset": "digits", "model": "simple_cnn", "epochs": EPOCHS},
        "repeats": max(1, n_attempts // (axes[0] * axes[1])),
    }


def submitted(store: Store, n_attempts: int) -> Sequence[JobSpec]:
    """Freeze the sweep as a submit does, and return its trials."""
    store.create()
    request = read_request(grid(n_attempts), backend="inline", max_trials=n_attempts)
    sweep = Sweep(store, SWEEP, request.profile)
    sweep.folder.mkdir(parents=True)
    with sweep_lock(sweep.folder):
        freeze_request(request, sweep, Options())
    return request.specs


def record(spec: JobSpec) -> Record:
    """Return a completed trial as its worker would record it."""
    history = [
        {
            "epoch": epoch + 1,
            "train_s": random.random(),
            "lr": 0.1,
            "train_loss": random.random(),
            "train_accuracy": random.random(),
            "val_loss": random.random(),
            "val_accuracy": random.random(),
            "samples_per_s": random.random(),
        }
        for epoch in range(EPOCHS)
    ]
    values = {
        "outcome": "completed",
        "workload": spec.workload,
        "target": spec.target,
        "seed": spec.seed,
        "started_at": 1.7e9 + random.random(),
        "ended_at": 1.7e9 + 60,
        "train_s": random.random(),
        "total_s": random.random(),
        "val_accuracy": random.random(),
        "test_accuracy": random.random(),
        "train_loss": random.random(),
        "samples_per_s": 1000 * random.random(),
        "host_rss_gb": random.random(),
        "node": f"node{random.randrange(8)}",
        "cpu_model": "Model T",
        "history": history,
    }
    parameters = {**msgspec.to_builtins(TrainParams()), **spec.params}
    return Record(SWEEP, spec.trial_id, 1, parameters, values)


def histories(n_rows: int) -> pa.ListArray:
    """Return EPOCHS epochs of numbers for each of so many rows."""
    n_epochs = n_rows * EPOCHS
    kind = parquet.SCHEMA.field("history").type.value_type
    fields = [
        pa.nulls(n_epochs, field.type)
        if field.name in ("extra", "test_accuracy")
        else pa.array(range(1, EPOCHS + 1), pa.float64()).take(
            pa.array(list(range(EPOCHS)) * n_rows)
        )
        if field.name == "epoch"
        else pa.array([random.random() for _ in range(n_epochs)])
        for field in kind
    ]
    offsets = pa.array(range(0, n_epochs + 1, EPOCHS), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, fields=list(kind)))


def fill(store: Store, specs: Sequence[JobSpec]) -> None:
    """Record every trial once, in files of a thousand as workers leave them.

    One file is made of records; the others have its rows under other trials, for a million records
    take an hour.
    """
    folder = store.records_folder(SWEEP)
    folder.mkdir(parents=True)
    first = pa.concat_tables([record(spec).to_table() for spec in specs[:PER_FILE]])
    for start in range(0, len(specs), PER_FILE):
        some = specs[start : start + PER_FILE]
        table = first.slice(0, len(some))
        for name, values in {
            "trial": [spec.trial_id for spec in some],
            "seed": [spec.seed for spec in some],
            "lr": [spec.params["lr"] for spec in some],
            "weight_decay": [spec.params["weight_decay"] for spec in some],
        }.items():
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, pa.array(values, table.schema.field(name).type))
        place = table.schema.get_field_index("history")
        table = table.set_column(place, "history", histories(len(some)).cast(table["history"].type))
        data = parquet.table_bytes(table)
        publish(folder / f"compacted-{start:08d}.parquet", memoryview(data))


def timed(*command: str | Path, cwd: Path) -> Measured:
    """Run a command to its end; raises CalledProcessError if it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, [*map(str, command)])
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9)


def measure(n_attempts: int, folder: Path) -> list[tuple[str, Measured]]:
    """Return what each command took on a store of so many attempts."""
    store = Store(folder / "results")
    fill(store, submitted(store, n_attempts))
    runner = Path(sys.executable).with_name("runner")
    table = folder / "all.parquet"
    return [
        ("`runner --version`: starting alone", timed(runner, "--version", cwd=folder)),
        ("`query`, before any `collect`", timed(runner, "query", SQL, cwd=folder)),
        ("first `collect -o`", timed(runner, "collect", "-o", table, cwd=folder)),
        ("pyarrow reads that file", timed(sys.executable, "-c", READ, table, cwd=folder)),
        ("repeated `collect -o`", timed(runner, "collect", "-o", table, cwd=folder)),
        ("repeated `collect`", timed(runner, "collect", cwd=folder)),
        ("`query`", timed(runner, "query", SQL, cwd=folder)),
        ("`query` of the epochs", timed(runner, "query", CURVES, cwd=folder)),
        ("`status`", timed(runner, "status", cwd=folder)),
    ]


def main() -> None:
    """Print a table of seconds and memory for each number of attempts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", default="100,1000,10000,100000")
    parser.add_argument("--folder", type=Path, help="where the stores go, and stay")
    given = parser.parse_args()
    print(describe("pyarrow", "duckdb"))
    for n_attempts in map(int, given.attempts.split(",")):
        root = given.folder or Path(tempfile.mkdtemp())
        folder = root / str(n_attempts)
        folder.mkdir(parents=True)
        print(f"\n{n_attempts:,} attempts with {EPOCHS} epochs each\n")
        print("| | s | of CPU, s | GB |\n|---|--:|--:|--:|")
        for what, took in measure(n_attempts, folder):
            print(f"| {what} | {took.seconds:.2f} | {took.cpu_s:.2f} | {took.peak_gb:.2f} |")
        if given.folder is None:
            shutil.rmtree(root)


if __name__ == "__main__":
    main()
