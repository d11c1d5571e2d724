"""The columns that every record has, with units and meanings; ``python -m artifacts.columns``
prints docs/records.md.

Pure on purpose: knowing which names are taken must not cost an import of pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

SCHEMA_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the record; ``unit`` is empty where there is none."""

    name: str
    type: str
    unit: str
    meaning: str
    section: str


# Parquet has no enumerations: an outcome is text, and these are its words.
OUTCOMES: Final[dict[str, str]] = {
    "completed": "ran to its end",
    "failed": "raised an exception",
    "timed_out": "reached its walltime",
    "out_of_memory": "used up the host's memory, or its share of it",
    "gpu_out_of_memory": "used up the GPU's memory",
    "preempted": "was asked to stop and left a checkpoint",
    "wrong_device": "found other hardware than its target asks for, so nothing was computed",
    "crashed": "the worker died of itself (segmentation fault, abort)",
    "killed": "the worker was killed and nothing says by whom",
    "cancelled": "was cancelled by a user",
    "interrupted": "ended with what drove it: Ctrl-C, a driver that was killed, a task that was "
    "started again or ran out of time",
    "node_failed": "the node failed",
    "unknown": "it is not known; never counted as completed or failed",
}

HISTORY: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        "epoch",
        "double",
        "",
        "Counted from 1; a part of an epoch, or a step, where the workload counts so.",
    ),
    ("train_s", "double", "s", "Training time of the epoch."),
    ("lr", "double", "", "Learning rate at its end."),
    ("train_loss", "double", "", "Mean over the epoch."),
    ("train_accuracy", "double", "fraction", "Mean over the epoch."),
    ("val_loss", "double", "", "After the epoch."),
    ("val_accuracy", "double", "fraction", "After the epoch."),
    ("test_accuracy", "double", "fraction", "After the epoch, where the study asks for it."),
    ("samples_per_s", "double", "1/s", "Training samples a second."),
    ("extra", "map<string, double>", "", "Whatever else the workload reported for the epoch."),
)

_SECTIONS: Final[dict[str, tuple[tuple[str, str, str, str], ...]]] = {
    "identity": (
        (
            "schema_version",
            "int",
            "",
            "Version of this list of columns; a reader refuses a newer one by name.",
        ),
        ("sweep", "string", "", "Name of the submitted grid."),
        (
            "trial",
            "string",
            "",
            "Id of the trial: the first 16 hex digits of a hash over workload, target, seed and "
            "parameters.",
        ),
        ("attempt", "int", "", "Which execution of the trial this row describes."),
        (
            "merged_from",
            "string",
            "",
            "Id of the store that made the record, if `runner merge` brought it; missing for the "
            "store's own records.",
        ),
        (
            "workload",
            "string",
            "",
            "`train`, `svm`, or the `package.module:function` that computed it.",
        ),
        ("target", "string", "", "Target of the cluster profile that the trial was meant for."),
        ("seed", "int", "", "Seed of the repeat."),
        ("group", "string", "", "Label of the grid's group the trial came from."),
        ("parameters", "list<string>", "", "Names of the columns that hold this row's parameters."),
        (
            "results",
            "list<string>",
            "",
            "Names of the columns that hold what the user's own function returned.",
        ),
    ),
    "outcome": (
        (
            "outcome",
            "string",
            "",
            f"How the attempt ended: {', '.join(f'`{word}`' for word in OUTCOMES)}.",
        ),
        (
            "derived",
            "bool",
            "",
            "True if the worker could not write the record and it was derived from the "
            "scheduler afterward.",
        ),
        ("error_type", "string", "", "Class of the exception."),
        ("error_message", "string", "", "Its message, with a fix if one is known."),
        ("traceback", "string", "", "Where it was raised."),
        (
            "disturbed",
            "bool",
            "",
            "True if something else used the hardware during the measurement.",
        ),
        ("disturbed_by", "list<string>", "", "What disturbed it."),
        (
            "resumed_from_epoch",
            "int",
            "",
            "Epoch of the checkpoint that this attempt continued from; missing if it started anew.",
        ),
        (
            "diverged",
            "bool",
            "",
            "True if a loss or an accuracy of a completed attempt, or of its last epoch, is NaN "
            "or infinite.",
        ),
        (
            "not_written",
            "list<string>",
            "",
            "Values that no column can hold, left out of this record: their names, and why.",
        ),
    ),
    "time": (
        ("submitted_at", "timestamp", "UTC", "When the trial was handed to the backend."),
        ("started_at", "timestamp", "UTC", "When the worker began it."),
        ("ended_at", "timestamp", "UTC", "When the worker had finished it."),
        (
            "queue_s",
            "double",
            "s",
            "From submission until the worker took it up, without startup_s: submitted_at + "
            "queue_s + startup_s is started_at.",
        ),
        (
            "startup_s",
            "double",
            "s",
            "The worker's start, shared out over the trials of the task it was started for; 0 "
            "where it was there already.",
        ),
        ("import_s", "double", "s", "Importing the workload's libraries."),
        ("data_s", "double", "s", "Opening the data set, splitting it, moving it to the device."),
        ("build_s", "double", "s", "Building the model and its optimizer."),
        ("warmup_s", "double", "s", "Compilation, autotuning and the first steps."),
        ("train_s", "double", "s", "Steady training; the fit of an SVM."),
        ("eval_s", "double", "s", "Evaluation; the predictions of an SVM."),
        ("write_s", "double", "s", "Writing checkpoints, profiles and event files."),
        ("overhead_s", "double", "s", "The runner's own cost: total less all phases."),
        (
            "total_s",
            "double",
            "s",
            "From started_at to ended_at, and what it went on from of earlier attempts.",
        ),
    ),
    "accuracy": (
        ("train_accuracy", "double", "fraction", "On the training split."),
        ("val_accuracy", "double", "fraction", "On the validation split."),
        ("test_accuracy", "double", "fraction", "On the test split."),
        ("train_loss", "double", "", "On the training split."),
        ("val_loss", "double", "", "On the validation split."),
        ("test_loss", "double", "", "On the test split."),
        ("best_epoch", "int", "", "Epoch whose validation accuracy was best, counted from 1."),
        (
            "epochs_run",
            "int",
            "",
            "Epochs that this trial has run, including those before a resume.",
        ),
    ),
    "throughput": (
        ("samples_per_s", "double", "1/s", "Training samples a second in the steady phase."),
        ("steps", "int", "", "Optimizer steps."),
        ("step_p50_s", "double", "s", "Median time of a step."),
        ("step_p95_s", "double", "s", "95th percentile of the time of a step."),
        (
            "flops_per_step",
            "double",
            "FLOP",
            "Floating-point operations of a step, counted by torch.",
        ),
        ("tflops_per_s", "double", "TFLOP/s", "Achieved in the steady phase."),
    ),
    "memory": (
        (
            "gpu_mem_allocated_gb",
            "double",
            "GiB (2**30 bytes)",
            "Peak that tensors held on the GPU.",
        ),
        (
            "gpu_mem_reserved_gb",
            "double",
            "GiB (2**30 bytes)",
            "Peak that the allocator held on the GPU.",
        ),
        (
            "host_rss_gb",
            "double",
            "GiB (2**30 bytes)",
            "Peak resident memory of the worker during this trial.",
        ),
    ),
    "energy": (
        ("gpu_energy_j", "double", "J", "Energy of the whole GPU during the trial."),
        (
            "gpu_energy_source",
            "string",
            "",
            "How it was measured: the GPU's counter, or power integrated over time.",
        ),
        ("cpu_energy_j", "double", "J", "Energy of the whole CPU package during the trial."),
        ("cpu_energy_source", "string", "", "How it was measured."),
        ("gpu_utilization", "double", "fraction", "Mean share of time in which a kernel ran."),
        ("gpu_power_w", "double", "W", "Mean power of the GPU."),
        ("gpu_clock_mhz", "double", "MHz", "Mean clock of its multiprocessors."),
        ("gpu_temperature_c", "double", "°C", "Highest temperature of the GPU."),
    ),
    "device": (
        ("device", "string", "", "`cpu` or `cuda`: where the workload ran."),
        ("gpu_name", "string", "", "Model of the GPU as the worker saw it."),
        ("gpu_uuid", "string", "", "Its uuid."),
        ("gpu_count", "int", "", "GPUs visible to the worker."),
        ("gpu_total_gb", "double", "GiB (2**30 bytes)", "Memory of the GPU."),
        ("driver_version", "string", "", "NVIDIA driver."),
        ("cuda_version", "string", "", "CUDA that torch was built with."),
        ("cudnn_version", "string", "", "cuDNN that torch loaded."),
        ("cpu_model", "string", "", "Model of the CPU."),
        ("cpus_asked", "int", "", "CPUs the trial's resources asked for."),
        (
            "cpus_granted",
            "int",
            "",
            "CPUs the worker could use: affinity and cgroup quota, the smaller.",
        ),
        ("threads", "int", "", "Threads the computation used."),
        ("ram_gb", "double", "GiB (2**30 bytes)", "Memory of the node."),
        (
            "engine",
            "string",
            "",
            "Library that computed it, where there is a choice (`sklearn`, `sklearnex`, `sklearnex "
            "in float64`).",
        ),
    ),
    "place": (
        ("backend", "string", "", "`slurm`, `ray` or `inline`."),
        ("node", "string", "", "Host name."),
        ("partition", "string", "", "SLURM's partition."),
        ("array_job_id", "string", "", "The scheduler's id of the array job."),
        ("array_task_id", "int", "", "Index of the array task."),
        ("pid", "int", "", "Process id of the worker."),
        ("log", "string", "", "File with what the task printed, below the store."),
    ),
    "environment": (
        (
            "commit",
            "string",
            "",
            "Commit of the repository that holds the user's code, or the grid; joined with + where "
            "several do.",
        ),
        (
            "dirty",
            "bool",
            "",
            "True where it had uncommitted changes, kept as a patch with the sweep, or untracked "
            "modules.",
        ),
        (
            "code",
            "string",
            "",
            "Digest of the user's code as it was frozen at submit, in `STORE/code/`; `live` where "
            "it was not frozen (`--no-snapshot`); missing where the trial needs no code of the "
            "user's.",
        ),
        (
            "code_outside",
            "string",
            "",
            "Modules of the user's that were imported from elsewhere, such as an editable install: "
            "JSON, a digest for each top-level name; missing where there are none.",
        ),
        (
            "checkpoint_code",
            "string",
            "",
            "`code` of the attempt that left the checkpoint which this one found, where it was "
            "other code.",
        ),
        (
            "runner_code",
            "string",
            "",
            "Digest of this package's own modules where it runs from a checkout.",
        ),
        (
            "data_digest",
            "string",
            "",
            "Digest of the files that the trial's dataset was prepared from: equal wherever they "
            "hold the same; missing for data that a user's own function reads.",
        ),
        (
            "data_submitted",
            "string",
            "",
            "The digest that this dataset had at submit, where the trial read another.",
        ),
        (
            "packages_digest",
            "string",
            "",
            "Digest of the versions of all packages that the worker found installed.",
        ),
        (
            "packages_differ",
            "string",
            "",
            "Packages of which the worker found another version than submit did, as JSON: "
            "`{name: [version at submit, version here]}`, null where one is not installed; missing "
            "where all agree.",
        ),
        (
            "variables_differ",
            "string",
            "",
            "Environment variables that decide numbers (`OMP_*`, `MKL_*`, `OPENBLAS_*`, `CUDA_*`, "
            "`CUBLAS_*`, `CUDNN_*`, `PYTORCH_*`, `TORCH_*`, `NCCL_*`) and that the worker had "
            "other values of than submit did, as JSON: `{name: [value at submit, value here]}`, "
            "null where one is not set; missing where all agree. The threads of a trial are in "
            "`threads`, its GPU in `gpu_uuid`.",
        ),
        ("runner_version", "string", "", "This package."),
        ("python_version", "string", "", "Python."),
        ("torch_version", "string", "", "PyTorch."),
        ("torchvision_version", "string", "", "torchvision."),
        ("sklearn_version", "string", "", "scikit-learn."),
        ("sklearnex_version", "string", "", "scikit-learn-intelex."),
        ("numpy_version", "string", "", "NumPy."),
    ),
    "history": (("history", "history", "", "One entry per epoch; its fields are listed below."),),
}

COLUMNS: Final[tuple[Column, ...]] = tuple(
    Column(*row, section) for section, rows in _SECTIONS.items() for row in rows
)
RESERVED: Final[frozenset[str]] = frozenset(column.name for column in COLUMNS)


def markdown() -> str:
    """Return the text of docs/records.md."""
    lines = [_HEAD]
    for section, rows in _SECTIONS.items():
        lines += [
            f"## {section.capitalize()}",
            "",
            *_table(("column", "type", "unit", "meaning"), rows),
            "",
        ]
    lines += [
        "Fields of an entry of `history`:",
        "",
        *_table(("field", "type", "unit", "meaning"), HISTORY),
        "",
    ]
    lines += ["## Outcomes", "", *_table(("outcome", "the attempt"), tuple(OUTCOMES.items()))]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    marked = [(f"`{name}`", *(_cell(cell) for cell in rest)) for name, *rest in rows]
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *marked)]


def _cell(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")


_HEAD: Final = f"""\
# Records

<!-- Written by `python -m artifacts.columns`; edit artifacts/columns.py instead. -->

A record is one row for one attempt at one trial: its parameters, outcome, results, times, hardware
and place. The columns below are version {SCHEMA_VERSION} of the schema.

- **A missing value was not measured, or does not apply.** It is never written as zero. The file of
  a single record has no column for what is missing. `runner collect` makes one table with all
  columns of the list below, the parameters and the results.
- **Each parameter has a column of its own**, with its own name, and `parameters` lists these
  columns. If a parameter has the name of a column below, its column ends in `_asked`: an SVM that
  asked for `engine: auto` has `engine_asked = auto`, and `engine` says which one ran.
- **Each result** that the user's own function returned has a column too, and `results` lists these.
- Mappings, and lists of mixed kinds, are JSON text. Each trial keeps its types. If the types of a
  column differ between trials, `collect` widens numbers and writes other values so that no two look
  alike. They become JSON, but text stays bare unless it could be read as JSON: `1` is a number
  there, `"1"` is a text, and `auto` is `auto`. JSON output has such values as they were recorded.
- **NaN and infinity are values**, not missing ones. Parquet and CSV hold them. JSON has no word for
  them and has null; `diverged` says that a null is such a loss or accuracy, not a missing one.
- In CSV, an apostrophe precedes text that begins with `=`, `+`, `-`, `@`, the wide forms of these,
  a tab or a line break, so that no spreadsheet runs it as a formula. Numbers stay as they are.
- Accuracies and utilizations are fractions in [0, 1]. Times of day are UTC.

The files are in `STORE/records/<sweep>/`: `<trial>.<attempt>.parquet` for a single record,
`<trial>.<attempt>.derived.parquet` for a derived one, `compacted-<id>.parquet` for many. A file is
published whole or not at all, and never edited. Each carries a checksum of all its bytes (`seal` in
its metadata: CRC-32, computed with eight zeros in its own place). A file whose checksum is wrong is
reported and not read. Compaction copies single records into one file before it removes them, so a
reader may briefly see a row twice; (`merged_from`, `trial`, `attempt`) identifies an attempt. If
the worker's own record comes after a derived one, both stay, and every reader counts the worker's.
If two workers wrote a record for one attempt (a network partition can cause this), the completed
one counts. `runner merge` adds files `merged-<store>-<id>.parquet` with the records of other
stores.
"""


if __name__ == "__main__":
    print(markdown())
