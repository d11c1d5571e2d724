"""All that a GPU can show, in one table: the tests that need one, the studies in a reduced size,
training beside plain loops, and the sampler beside nvidia-smi.

    python -m benchmarks.gpu [--data-dir DIR] [-o gpu.md]

It needs what ``jobs/`` and ``artifacts/`` need, and pytest for the tests; neither Ray nor submitit,
nor a network. Each part runs in a process of its own with a limit of time, so that one that fails
spoils no other; all of it takes under eight minutes. Datasets that DIR does not have are noise of
the same shape: their accuracies mean nothing, their times do.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cluster import machine
from jobs.data import missing

SHAPES = {"mnist": "1x28x28x10", "fashion_mnist": "1x28x28x10", "cifar10": "3x32x32x10"}
REPOSITORY = Path(__file__).parents[1]
HEADINGS = ("what", "result")
LOADER: dict[str, Any] = {"loader": "dataloader", "num_workers": 4}
FAST: dict[str, Any] = {**LOADER, "persistent_workers": True, "pin_memory": True}
PLAIN_RESNET10: dict[str, Any] = {
    **LOADER, "dataset": "cifar10", "normalization": "none", "model": "resnet10", "batch_size": 512,
    "lr": 1e-3, "fused": False,
}  # fmt: skip
RESNET18: dict[str, Any] = {
    "dataset": "cifar10", "model": "resnet18", "stem": "imagenet", "optimizer": "adam", "lr": 1e-3,
    "batch_size": 64,
}  # fmt: skip
STUDIES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "cnn-cpu-vs-gpu",
        {"dataset": "cifar10", "normalization": "half", "model": "simple_cnn", "optimizer": "adam",
         "lr": 1e-3, "batch_size": 64, "loader": "resident", "num_workers": 0, "fused": None},
    ),
    (
        "cpu-vs-a30",
        {"dataset": "fashion_mnist", "model": "resnet34", "stem": "imagenet", "optimizer": "adam",
         "momentum": None, "lr": 1e-3, "batch_size": 32, "amp": "fp16", "loader": "resident",
         "num_workers": 0, "persistent_workers": False, "pin_memory": False},
    ),
    (
        "resnet-hyperparameters",
        {"dataset": "mnist", "model": "resnet50", "stem": "imagenet", "optimizer": "sgd",
         "momentum": 0.9, "lr": 1e-3, "batch_size": 32, "pin_memory": True, "amp": "fp16",
         "loader": "dataloader", "num_workers": 2, "persistent_workers": True},
    ),
    ("resnet10-optimizations", {**PLAIN_RESNET10, "optimizer": "adam"}),
    (
        "resnet10-optimizations",
        {**PLAIN_RESNET10, "optimizer": "adamw", "compile": "default", "amp": "fp16",
         "cudnn_benchmark": True},
    ),
    ("resnet18-cudnn-cublas",
     {**RESNET18, "cudnn": True, "cudnn_benchmark": True, "tf32": True, "blas": "cublaslt"}),
    ("resnet18-cudnn-cublas",
     {**RESNET18, "cudnn": False, "cudnn_benchmark": False, "blas": "cublas"}),
    (
        "resnet18-profiling",
        {**FAST, "dataset": "cifar10", "model": "resnet18", "stem": "imagenet", "batch_size": 256,
         "non_blocking": True, "amp": "fp16", "profile": True},
    ),
)  # fmt: skip
"""Points of the GPU groups of the studies; epochs, split and subsets are reduced."""

Row = tuple[str, str]


def tests(given: argparse.Namespace) -> Iterator[Row]:
    """Run the tests that need a GPU."""
    if importlib.util.find_spec("pytest") is None:
        yield "tests marked gpu", "not run: pytest is not installed"
        return
    files = given.tests or files_marked("gpu")
    command = [sys.executable, "-m", "pytest", "-q", "-m", given.marker, *files]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    yield "tests marked gpu", summary_of(done.stdout, done.stderr)
    for line in re.findall(r"^(?:FAILED|ERROR) .*", done.stdout, re.MULTILINE):
        yield "", line


def files_marked(marker: str) -> list[str]:
    """Return the files of tests/jobs that have tests with a marker: the others need packages that
    are missing on a bare node."""
    folder = REPOSITORY / "tests" / "jobs"
    return [
        str(path.relative_to(REPOSITORY))
        for path in sorted(folder.rglob("test_*.py"))
        if f"mark.{marker}" in path.read_text(encoding="utf-8")
    ]


def summary_of(out: str, errors: str) -> str:
    """Return the last line that pytest printed, else what went wrong."""
    lines = (out.strip() or errors.strip() or "pytest printed nothing").splitlines()
    return lines[-1].strip("= ")


def studies(given: argparse.Namespace) -> Iterator[Row]:
    """Train one epoch of points of the studies."""
    from jobs.execute import Expectation, execute
    from jobs.spec import JobSpec

    for study, params in STUDIES[: given.points]:
        reduced = {
            **params,
            "dataset": dataset(params["dataset"], given.data_dir, given.images),
            "epochs": 1,
            "train_subset": given.images,
            "test_subset": max(1, given.images // 10),
        }
        spec = JobSpec(workload="train", target=given.device, seed=0, params=reduced)
        expect = Expectation(cpus=machine.cpus(), gpus=int(given.device == "cuda"))
        with tempfile.TemporaryDirectory() as files:
            done = execute(spec, files=Path(files), data_dir=given.data_dir, expect=expect)
        yield f"{study}: {differing(params)}", told(str(done.outcome), done.values)


def differing(params: Mapping[str, Any]) -> str:
    """Return what tells the points apart in few words."""
    shown = ("model", "batch_size", "loader", "amp", "compile", "cudnn_benchmark", "tf32", "blas")
    return ", ".join(f"{name} {params[name]}" for name in shown if name in params)


def told(outcome: str, values: Mapping[str, Any]) -> str:
    """Return what a trial came to."""
    if outcome != "completed":
        return f"{outcome}: {values.get('error_type')}: {values.get('error_message')}"
    said = [f"train {values['train_s']:.1f} s", f"whole {values['total_s']:.1f} s"]
    if values.get("samples_per_s") is not None:
        said.append(f"{values['samples_per_s']:.0f} images/s")
    if values.get("gpu_mem_allocated_gb") is not None:
        said.append(f"{values['gpu_mem_allocated_gb']:.2f} GiB allocated")
    if values.get("gpu_energy_j") is not None:
        said.append(f"{values['gpu_energy_j']:.0f} J")
    if values.get("disturbed"):
        said.append("disturbed")
    return ", ".join(said)


def training(given: argparse.Namespace) -> Iterator[Row]:
    """Train plain loops and ours, turn about."""
    from benchmarks import training as rows

    measured = rows.Machine(given.data_dir, given.device, given.images)
    for case in rows.ON_GPU[: given.points]:
        params = {**case.params, "dataset": dataset("cifar10", given.data_dir, given.images)}
        case = replace(case, params=params)
        measured.warm(case)
        plain = measured.plain(case, seed=0)
        yield f"{case.name}, plain loop", rate(plain)
        for name, more, aim in case.variants:
            if "cuda_graphs" in more and given.device != "cuda":
                continue
            ours = measured.ours({**case.parameters(given.images), **more}, seed=0)
            aimed = "" if aim is None else f" (aim {aim:g}x)"
            ratio = plain.total_s / ours.total_s
            yield f"{case.name}, ours, {name}", f"{rate(ours)}, **{ratio:.1f}x**{aimed}"


def rate(trained: Any) -> str:
    """Return time, rate and memory of one run."""
    said = f"{trained.total_s:.1f} s, {trained.images / trained.train_s:.0f} images/s"
    if trained.allocated_gb is None:
        return said
    return (
        f"{said}, {trained.allocated_gb:.2f} GiB allocated, {trained.reserved_gb:.2f} GiB reserved"
    )


def sampler(given: argparse.Namespace) -> Iterator[Row]:
    """Train under the sampler while nvidia-smi looks at the same GPU."""
    from jobs.execute import Expectation, execute
    from jobs.spec import JobSpec

    query = "--query-gpu=utilization.gpu,memory.used,power.draw"
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits", "--loop-ms=200", "--id=0"]
    name, params = STUDIES[0]
    params = {
        **params,
        "dataset": dataset("cifar10", given.data_dir, given.images),
        "epochs": given.epochs,
        "train_subset": given.images,
    }
    spec = JobSpec(workload="train", target=given.device, seed=0, params=params)
    expect = Expectation(cpus=machine.cpus(), gpus=int(given.device == "cuda"))
    with tempfile.TemporaryFile("w+") as lines, tempfile.TemporaryDirectory() as files:
        try:
            watching = subprocess.Popen(command, stdout=lines, stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            yield "nvidia-smi", "not there"
            return
        began = time.perf_counter()
        done = execute(spec, files=Path(files), data_dir=given.data_dir, expect=expect)
        took = time.perf_counter() - began
        watching.terminate()
        watching.wait()
        lines.seek(0)
        seen = readings(lines.read())
    yield f"{name} for {took:.0f} s, the record", told(str(done.outcome), done.values)
    yield "the same, nvidia-smi", compared(seen, took)


def readings(text: str) -> list[tuple[float, float, float]]:
    """Return what nvidia-smi printed: utilization in %, memory in MiB, power in W; lines that a GPU
    does not fill are left out."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        try:
            utilization, memory, power = map(float, cells)
        except ValueError:
            continue
        found.append((utilization, memory, power))
    return found


def compared(seen: Sequence[tuple[float, float, float]], took_s: float) -> str:
    """Return means over the readings, and the energy that they come to."""
    if not seen:
        return "no readings"
    utilization, memory, power = (statistics.fmean(column) for column in zip(*seen, strict=True))
    return (
        f"{len(seen)} readings: utilization {utilization:.0f} %, {memory / 1024:.2f} GiB, "
        f"{power:.0f} W, so {power * took_s:.0f} J"
    )


def dataset(name: str, data_dir: Path | None, images: int) -> str:
    """Return the dataset if it is there, else noise of its shape, a fifth of it for testing."""
    if missing(name, data_dir) is None:
        return name
    return f"synthetic:{SHAPES[name]}x{max(400, images * 5 // 4 + 1)}"


PARTS: dict[str, tuple[Callable[[argparse.Namespace], Iterator[Row]], str, float]] = {
    "tests": (tests, "Tests", 120),
    "studies": (studies, "Studies, one epoch, reduced", 150),
    "training": (training, "Training beside plain loops", 150),
    "sampler": (sampler, "The sampler beside nvidia-smi", 50),
}
"""What runs, its title, and its limit in seconds: under eight minutes in all."""


def run_part(name: str, arguments: Sequence[str], limit_s: float) -> list[Row]:
    """Run a part in a process of its own, and return its rows and how it ended if not well."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, *arguments]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=out, stderr=errors, start_new_session=True
        )
        try:
            code = process.wait(timeout=limit_s)
            ended = "" if code == 0 else f"ended with exit code {code}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            ended = f"stopped after {limit_s:.0f} s"
        out.seek(0)
        errors.seek(0)
        rows = list(rows_in(out.read()))
        if ended:
            last = (errors.read().strip().splitlines() or [""])[-1]
            rows.append((f"**{name} {ended}**", last))
    return [*rows, (f"_{name}_", f"_{time.perf_counter() - began:.0f} s_")]


def rows_in(text: str) -> Iterator[Row]:
    """Yield the rows that a part printed among whatever its libraries print."""
    for line in text.splitlines():
        try:
            what, result = json.loads(line)["row"]
        except (ValueError, TypeError, KeyError):
            continue
        yield str(what), str(result)


def markdown(parts: Mapping[str, Sequence[Row]], about: Sequence[Row]) -> str:
    """Return one table for docs/benchmarks.md: hardware and versions, then the parts."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "| --- | --- |"]
    lines += [_line(row) for row in about]
    for title, rows in parts.items():
        lines += [_line((f"**{title}**", "")), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    cells = (" ".join(cell.split()).replace("|", "\\|") for cell in row)
    return "| " + " | ".join(cells) + " |"


def about() -> list[Row]:
    """Return hardware and versions."""
    gpus = [f"{gpu.name}, {gpu.memory_bytes / machine.GIB:.0f} GiB" for gpu in machine.gpus()]
    return [
        ("GPU", "; ".join(gpus) or "none"),
        ("driver", machine.driver_version() or "none"),
        ("processor", f"{machine.cpu_model()}, {machine.cpus()} cores"),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in ("torch", "torchvision", "numpy", "pyarrow")),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run every part, print the table and write it."""
    parser = argparse.ArgumentParser(description="All that a GPU can show, in one table.")
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("RUNNER_DATA"))
    parser.add_argument("-o", "--output", type=Path, default=Path("gpu.md"), help="the table")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--images", type=int, default=20_000, help="training images of a trial")
    parser.add_argument("--epochs", type=int, default=20, help="of the trial that is watched")
    parser.add_argument("--points", type=int, default=None, help="the first rows of a part only")
    parser.add_argument("--marker", default="gpu", help="which tests")
    parser.add_argument("--tests", nargs="*", help="their files; else all that have the marker")
    parser.add_argument("--part", choices=tuple(PARTS), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.part:
        for row in PARTS[given.part][0](given):
            print(json.dumps({"row": row}), flush=True)
        return
    if given.device == "cuda" and not machine.gpus():
        raise SystemExit("no NVIDIA GPU is seen here: nvidia-smi says why")
    handed = list(sys.argv[1:] if arguments is None else arguments)
    parts = {}
    for name, (_, title, limit_s) in PARTS.items():
        print(f"{title} ...", file=sys.stderr, flush=True)
        parts[title] = run_part(name, handed, limit_s)
    table = markdown(parts, about())
    given.output.write_text(table)
    print(table)


if __name__ == "__main__":
    main()
