"""The studies' training, plain loops beside our workload: same data, hyperparameters and hardware,
in one run.

    python -m benchmarks.training --data-dir DIR

Both run in one warm process, turn about, seed by seed: imports are paid before, everything else of
a trial counts, from opening the data to the last evaluation, and for ours also what the runner
measures and writes down. A plain loop has a DataLoader with two workers and torch's default
threads; one trial of ours has a thread for each core. The grid runs on Ray, two trials side by side
with one thread each, and its time is that from the first trial's beginning to the last one's end.
It fails where accuracies differ by more than noise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from artifacts.collect import collect
from artifacts.record import Outcome
from artifacts.store import Store
from benchmarks import plain_loop
from benchmarks.machine import describe, sum_up
from benchmarks.plain_loop import Trained
from cluster import machine
from jobs.data import missing, open_dataset
from jobs.execute import Expectation, execute
from jobs.spec import JobSpec

SHARED = {"dataset": "cifar10", "normalization": "half", "optimizer": "adam", "lr": 1e-3}
RESNET = {"model": "resnet18", "stem": "imagenet"}
OPTIMIZED = {
    "optimizer": "adamw",
    "lr": 1e-2,
    "schedule": "onecycle",
    "augmentation": "crop_flip",
    "grad_accumulation": 2,
}
PLAIN = (
    "model",
    "epochs",
    "batch_size",
    "optimizer",
    "lr",
    "schedule",
    "augmentation",
    "grad_accumulation",
)
"""What a plain loop takes of the parameters; the rest it has built in."""
EPOCHS = 2
NOISE, SIGNIFICANT = 0.02, 0.05
"""Accuracies closer than the first are taken for equal; beyond it a test on this level decides."""


@dataclass(frozen=True)
class Case:
    """One net trained in one way, and what else of ours is held against the same plain loop."""

    name: str
    params: Mapping[str, Any]
    seeds: int
    images: int
    variants: tuple[tuple[str, Mapping[str, Any], float | None], ...]
    """Name, parameters beside the case's own, and the ratio that is aimed at, if one is."""

    def parameters(self, images: int) -> dict[str, Any]:
        """Of a trial on at most so many training images."""
        return {**SHARED, **self.params, "epochs": EPOCHS, "train_subset": min(self.images, images)}


NATIVE_BF16 = any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16"))
"""Without it the processor computes bf16 in fp32, and pays for the conversions."""

ON_CPU = (
    Case(
        "simple_cnn, batch 64",
        {"model": "simple_cnn", "batch_size": 64},
        4,
        50_000,
        (("fp32", {}, 3.5),),
    ),
    Case(
        "resnet18, batch 64",
        {**RESNET, "batch_size": 64},
        2,
        10_000,
        (
            ("fp32", {}, 1.15),
            (
                "bf16, channels_last",
                {"amp": "bf16", "channels_last": True},
                2.0 if NATIVE_BF16 else None,
            ),
        ),
    ),
    Case(
        "resnet10, batch 2 x 64, OneCycle, augmented",
        {
            **OPTIMIZED,
            "model": "resnet10",
            "stem": "imagenet",
            "batch_size": 64,
            "test_subset": 2000,
        },
        2,
        6_000,
        (("fp32", {}, 1.0),),
    ),
    Case(
        "resnet18 on MNIST, batch 16",
        {**RESNET, "dataset": "mnist", "batch_size": 16, "test_subset": 2000},
        2,
        4_000,
        (("fp32", {}, 1.0),),
    ),
)
GPU_VARIANTS: tuple[tuple[str, dict[str, Any], float | None], ...] = (
    ("fp32", {}, None),
    ("CUDA graphs", {"cuda_graphs": True}, 5.0),
    (
        "CUDA graphs, bf16, channels_last",
        {"cuda_graphs": True, "amp": "bf16", "channels_last": True},
        None,
    ),
)
ON_GPU = (
    Case(
        "simple_cnn, batch 64",
        {"model": "simple_cnn", "batch_size": 64},
        4,
        50_000,
        GPU_VARIANTS[:2],
    ),
    *(
        Case(f"resnet18, batch {size}", {**RESNET, "batch_size": size}, 2, 50_000, GPU_VARIANTS)
        for size in (16, 64)
    ),
)
GRID_AIM = 5.0


class Machine:
    """What the rows run on.

    Args:
        device: ``cpu`` or ``cuda``.
        images: Training images at most, for a quicker look.
    """

    def __init__(self, data_dir: Path, device: str, images: int) -> None:
        self.data_dir, self.device, self.images = data_dir, device, images
        self._cpus = machine.cpus()

    def plain(self, case: Case, seed: int) -> Trained:
        """One plain loop."""
        params = case.parameters(self.images)
        began = time.perf_counter()
        prepared = open_dataset(params["dataset"], self.data_dir)
        split = prepared.split(
            "official", train_subset=params["train_subset"], test_subset=params.get("test_subset")
        )
        same = {name: params[name] for name in PLAIN if name in params}
        trained = plain_loop.train(prepared, split, **same, seed=seed, device=self.device)
        return replace(trained, total_s=time.perf_counter() - began)

    def ours(self, params: Mapping[str, Any], seed: int) -> Trained:
        """One trial in this process."""
        spec = JobSpec(workload="train", target=self.device, seed=seed, params=dict(params))
        expect = Expectation(cpus=self._cpus, gpus=1 if self.device == "cuda" else 0)
        with tempfile.TemporaryDirectory() as files:
            finished = execute(spec, files=Path(files), data_dir=self.data_dir, expect=expect)
        values = finished.values
        assert finished.outcome == Outcome.completed, values["error_message"]
        memory = values.get("gpu_mem_allocated_gb"), values.get("gpu_mem_reserved_gb")
        return Trained(
            values["train_s"],
            values["total_s"],
            EPOCHS * params["train_subset"],
            values["test_accuracy"],
            *memory,
        )

    def warm(self, case: Case) -> None:
        """Run both once on a few images, so that nothing is imported or compiled while a clock
        runs."""
        few = Machine(self.data_dir, self.device, 256)
        few.plain(case, seed=0)
        for _, more, _ in case.variants:
            few.ours({**case.parameters(few.images), **more}, seed=0)

    def grid(self, case: Case, folder: Path) -> tuple[float, float, list[float]]:
        """Seconds of the trials, seconds of the whole command, and the trials' accuracies."""
        from runner.planning.plan import Options
        from runner.planning.request import read_request
        from runner.run.submit import submit

        grid = folder / "grid.yaml"
        fixed = ", ".join(
            f"{name}: {value}" for name, value in case.parameters(self.images).items()
        )
        grid.write_text(f"name: grid\nworkload: train\nfixed: {{{fixed}}}\nrepeats: {case.seeds}\n")
        store = Store(folder / "store")
        begin = time.perf_counter()
        submit(
            read_request(grid, backend="ray", data_dir=self.data_dir),
            store,
            Options(),
            lambda progress: None,
        )
        whole_s = time.perf_counter() - begin
        rows = collect(store, ["grid"]).table.to_pylist()
        assert [row["outcome"] for row in rows] == [Outcome.completed] * case.seeds, [
            row["error_message"] for row in rows
        ]
        trials_s = max(row["ended_at"] for row in rows) - min(row["started_at"] for row in rows)
        return trials_s.total_seconds(), whole_s, [row["test_accuracy"] for row in rows]


def compare(machine: Machine, case: Case) -> list[Trained]:
    """Print the case's rows; its plain loops are returned."""
    machine.warm(case)
    plain: list[Trained] = []
    ours: dict[str, list[Trained]] = {name: [] for name, *_ in case.variants}
    for seed in range(case.seeds):
        plain.append(machine.plain(case, seed))
        for name, more, _ in case.variants:
            ours[name].append(machine.ours({**case.parameters(machine.images), **more}, seed))
    show(f"{machine.device}: {case.name}, plain loop", plain)
    for name, _, aim in case.variants:
        show(f"{machine.device}: {case.name}, ours, {name}", ours[name], plain, aim)
    return plain


def show(
    name: str, runs: Sequence[Trained], plain: Sequence[Trained] = (), aim: float | None = None
) -> None:
    """One row: means over the seeds."""
    train_s, total_s = mean([run.train_s for run in runs]), mean([run.total_s for run in runs])
    accuracies = [run.test_accuracy for run in runs]
    rate = runs[0].images / train_s
    line = f"{name:<52}{len(runs):>3}{train_s:>9.1f}{total_s:>9.1f}{rate:>10.0f}"
    line += f"{mean(accuracies):>9.2%}"
    if plain:
        line += f"{mean([run.total_s for run in plain]) / total_s:>8.2f}x" + (
            "" if aim is None else f"  (aim {aim:g}x)"
        )
    if runs[0].allocated_gb is not None and runs[0].reserved_gb is not None:
        line += (
            f"  GPU memory {runs[0].allocated_gb:.2f} GiB allocated, {runs[0].reserved_gb:.2f} "
            "GiB reserved"
        )
    print(line, flush=True)
    if plain:
        require_equal(name, accuracies, [run.test_accuracy for run in plain])


def show_grid(machine: Machine, case: Case, plain: Sequence[Trained]) -> None:
    """The grid's row, held against the plain loops one after another."""
    with tempfile.TemporaryDirectory() as folder:
        trials_s, whole_s, accuracies = machine.grid(case, Path(folder))
    one_by_one = sum(run.total_s for run in plain)
    rate = sum(run.images for run in plain) / trials_s
    name = f"grid of {case.seeds}: {case.name}, two at a time"
    line = f"{name:<52}{1:>3}{'':>9}{trials_s:>9.1f}{rate:>10.0f}{mean(accuracies):>9.2%}"
    print(
        f"{line}{one_by_one / trials_s:>8.2f}x  (aim {GRID_AIM:g}x; {one_by_one / whole_s:.2f}x "
        f"with the start of Ray, {whole_s:.1f} s)"
    )
    require_equal("grid", accuracies, [run.test_accuracy for run in plain])
    sum_up(
        f"a grid of {case.seeds} trains {one_by_one / trials_s:.2f}x as fast (aim {GRID_AIM:g}x)"
    )


def require_equal(name: str, ours: Sequence[float], plain: Sequence[float]) -> None:
    """SystemExit where two sets of accuracies differ by more than noise (Welch's t-test)."""
    from scipy.stats import ttest_ind  # benchmarks.gpu does without

    difference = mean(ours) - mean(plain)
    if abs(difference) > NOISE and ttest_ind(ours, plain, equal_var=False).pvalue < SIGNIFICANT:
        raise SystemExit(
            f"{name}: the accuracies differ by {difference:+.2%}, which is more than noise: the "
            "two do not compute the same"
        )


def mean(values: Sequence[float]) -> float:
    """Of at least one value."""
    return statistics.fmean(values)


def main() -> None:
    """Run every row that this machine can."""
    parser = argparse.ArgumentParser(description="Plain training loops beside ours.")
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=os.environ.get("RUNNER_DATA"),
        help="folder with CIFAR-10; else RUNNER_DATA",
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        help="the rows of this one only; else of both, where there is a GPU",
    )
    parser.add_argument(
        "--images", type=int, default=50_000, help="training images at most, for a quicker look"
    )
    given = parser.parse_args()
    for dataset in ("cifar10", "mnist"):
        if reason := missing(dataset, given.data_dir):
            raise SystemExit(reason)
    print(describe("torch", "torchvision", "ray"))
    heads = f"{'n':>3}{'train s':>9}{'whole s':>9}{'images/s':>10}{'accuracy':>9}{'ratio':>9}"
    print(f"\n{f'{EPOCHS} epochs, CIFAR-10 if nothing else is said':<52}{heads}")
    if given.device != "cuda":
        machine = Machine(given.data_dir, "cpu", given.images)
        small, *others = ON_CPU
        show_grid(machine, small, compare(machine, small))
        for case in others:
            compare(machine, case)
    if given.device == "cpu":
        return
    if not torch.cuda.is_available():
        print("cuda: skipped, torch sees no GPU here")
        return
    on_gpu = Machine(given.data_dir, "cuda", given.images)
    for case in ON_GPU:
        compare(on_gpu, case)


if __name__ == "__main__":
    main()
