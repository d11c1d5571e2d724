"""A torch.profiler trace of some steps, for TensorBoard and Perfetto, and a table of the operators
that took the time."""

from __future__ import annotations

import csv
import os
from collections.abc import Generator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

from jobs.measure import loaded_torch
from jobs.training import checkpoint
from jobs.training.session import Session

SKIP: Final = 3
"""Steps before the first that is traced; fewer where an epoch has no more."""

TRACED: Final = 10

# Else CUPTI stays attached, and slows down every kernel of this process
# (https://github.com/pytorch/pytorch/issues/144455).
os.environ.setdefault("TEARDOWN_CUPTI", "1")

TOP: Final = 30
"""Operators in the table."""

LEAST: Final = 0.001
"""Share of the time that is worth a row beside the operators'."""


def trace(session: Session, folder: Path) -> None:
    """Make some training steps under the profiler, and leave the trial as it was before them.

    The trial's own steps are never traced: its times are those of a trial without a trace. An
    earlier attempt's trace is kept.

    Args:
        folder: Gets ``trace.pt.trace.json`` and ``operators.csv``, the table last.
    """
    table, on_gpu = folder / "operators.csv", session.device.type == "cuda"
    if table.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = BytesIO()  # not in the GPU's memory, whose peak is measured
    torch.save(checkpoint.state(session), before)
    steps = _steps(session)
    skipped = min(SKIP, session.steps_per_epoch - 1)
    for _ in islice(steps, skipped):
        pass
    loaded_torch.synchronize()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, record_shapes=True, profile_memory=True) as traced:
        for number in range(min(TRACED, session.steps_per_epoch - skipped)):
            with record_function(
                f"ProfilerStep#{number}"
            ):  # the name by which TensorBoard tells steps apart
                next(steps)
    loaded_torch.synchronize()  # CUPTI goes with the next call of CUDA
    steps.close()
    session.data.train.close()  # an epoch begins with its own worker processes
    before.seek(0)
    checkpoint.restore(session, torch.load(before, map_location="cpu", weights_only=True))
    traced.export_chrome_trace(str(folder / "trace.pt.trace.json"))
    write_operators(table, traced.key_averages(), on_gpu=on_gpu)


def _steps(session: Session) -> Generator[None]:
    """The steps of the first epoch."""
    order, together = session.order(1), session.params.grad_accumulation
    for number, (images, labels) in enumerate(session.data.train.batches(order), 1):
        session.work(images, labels, first=number % together == 1 % together, share=1 / together)
        if number % together == 0 or number == order.n_batches:
            session.update()
            yield


def write_operators(path: Path, averages: Any, *, on_gpu: bool) -> None:
    """Write the operators that took most time by themselves, on the GPU where there is one, with
    their share of all of it.

    A kernel on the GPU has a row of its own beside that of the operator that launched it, and its
    time is in both: here it counts for the operator. Kernels that no operator launched, those of a
    CUDA graph, share one row.
    """
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    rows = [one for one in averages if not one.is_user_annotation]
    operators = [one for one in rows if one.device_type == DeviceType.CPU]
    of_operators = sum(getattr(operator, own) for operator in operators)
    kernels_us = sum(
        one.self_device_time_total for one in rows if one.device_type != DeviceType.CPU
    )
    total = (max(of_operators, kernels_us) if on_gpu else of_operators) or 1.0
    of_graphs = total - of_operators if on_gpu else 0.0
    ranked = sorted(operators, key=lambda operator: getattr(operator, own), reverse=True)[:TOP]
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ("operator", "calls", "share", "self_cpu_s", "cpu_s", "self_device_s", "device_s")
        )
        if of_graphs > LEAST * total:
            table.writerow(
                (
                    "(kernels of CUDA graphs)",
                    "",
                    f"{of_graphs / total:.4f}",
                    "",
                    "",
                    f"{of_graphs / 1e6:.6f}",
                    "",
                )
            )
        for operator in ranked:
            names = (
                "self_cpu_time_total",
                "cpu_time_total",
                "self_device_time_total",
                "device_time_total",
            )
            seconds = (f"{getattr(operator, name) / 1e6:.6f}" for name in names)
            table.writerow(
                (operator.key, operator.count, f"{getattr(operator, own) / total:.4f}", *seconds)
            )
