"""One attempt at one trial, in this process: whatever happens inside, it ends in a Finished."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

from artifacts.record import Outcome
from jobs import failure, results
from jobs.context import Context
from jobs.forks import forks_end_here
from jobs.measure import device, gpus, loaded_torch, threads
from jobs.measure.clock import PhaseClock
from jobs.measure.device import Expectation
from jobs.measure.memory import PeakMemory
from jobs.measure.readings import Readings
from jobs.measure.sampler import ENERGY, Sampler
from jobs.registry import Workload, workload
from jobs.spec import JobSpec

__all__ = ["Expectation", "Finished", "execute", "warm"]

VERSIONED = {"torch_version": "torch", "torchvision_version": "torchvision", "sklearn_version": "scikit-learn", "numpy_version": "numpy"}


@dataclass(frozen=True)
class Finished:
    """What an attempt leaves behind.

    Attributes:
        outcome: How it ended.
        values: Columns of the record, by name; without identity and place, which the worker knows.
        results: What the user's function returned beside metrics.
        parameters: All of the trial's parameters, defaults written out.
        spent: The GPU has faulted: nothing can be computed in this process any more.
    """

    outcome: Outcome
    values: dict[str, Any]
    results: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    spent: bool = False


def execute(
    spec: JobSpec,
    *,
    files: Path,
    sweep: str = "",
    attempt: int = 1,
    data_dir: Path | None = None,
    import_path: tuple[str, ...] = (),
    expect: Expectation | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run the trial and measure it.

    Args:
        files: The trial's folder in the store; made when the workload asks for it.
        data_dir: Folder of the data sets.
        import_path: Folders to look for the user's module in.
        expect: What the target promises; one CPU and no GPU if nothing is said.
        stop_requested: Whether the scheduler wants the attempt to end.

    Returns:
        Always, also where the workload raises SystemExit, runs out of memory or out of stack, or cannot be imported.

    Raises:
        KeyboardInterrupt: The one thing that is not the trial's: a person, or a backend's time limit derived from it.
    """
    expect = expect or Expectation()
    home = _folder()
    clock = PhaseClock()
    context = Context(
        files=files,
        trial=spec.trial_id,
        sweep=sweep,
        attempt=attempt,
        seed=spec.seed,
        target=spec.target,
        data_dir=data_dir,
        device=expect.device,
        cpus=expect.cpus,
        threads=device.threads(expect),
        mem_gb=device.memory_gb(expect),
        stop=stop_requested,
        clock=clock,
    )
    finished = Finished(Outcome.completed, {}, {}, dict(spec.params))
    try:
        _attempt(spec, import_path, expect, context, finished)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        outcome = failure.outcome_of(error)
        if outcome != Outcome.preempted:  # which is no error
            finished.values.update(failure.columns_of(error, outcome))
        finished = Finished(outcome, finished.values, finished.results, finished.parameters)
    finally:
        if home is not None and _folder() != home:  # a trial that went elsewhere must not take the next one along
            with suppress(OSError):
                os.chdir(home)
    if finished.outcome != Outcome.completed:
        finished = replace(finished, spent=not failure.let_go())
    finished.values.update(device.describe(expect, context.device))
    finished.values.update(_versions())
    if finished.outcome != Outcome.wrong_device:
        finished.values.update({"threads": context.threads, **context.noted})
        finished.values["history"] = context.history or None
    finished.values.update(clock.ledger(), outcome=finished.outcome)
    return finished


def warm(spec: JobSpec, *, data_dir: Path | None = None, import_path: tuple[str, ...] = ()) -> None:
    """Import what the trial needs and map its data, before any trial's clock runs.

    Only built-in workloads are warmed: importing the user's module is theirs to time and to fail in. What cannot be warmed
    is left to the trial, whose record says why.
    """
    with suppress(Exception):
        found = workload(spec.workload, import_path)
        if not found.is_custom:
            found.load()
            prepare = getattr(sys.modules[found.function.partition(":")[0]], "warm", None)
            if prepare is not None:
                prepare(found.read(spec.params), data_dir)


def _attempt(spec: JobSpec, import_path: tuple[str, ...], expect: Expectation, context: Context, finished: Finished) -> None:
    """Run the workload; what is known goes into ``finished`` on the way, so that an exception costs none of it."""
    # NVML and SLURM count the GPUs by their place on the bus; CUDA would count the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    found = workload(spec.workload, import_path)
    params = found.read(spec.params)
    finished.parameters.clear()
    finished.parameters.update(found.written_out(params))
    device.check(expect)
    threads.limit(context.threads)
    loaded_torch.empty_cache()  # what an earlier trial left in the allocator is not this one's
    loaded_torch.reset_peak_memory()
    peak = PeakMemory()
    sampler = Sampler(gpus.visible() if expect.wants_gpu else (), expect.gpus, expect.cpus)
    context.watch(lambda: _seen(expect, context, sampler))
    try:
        with sampler:
            with context.phase("import"):
                with forks_end_here():
                    function = found.load()
                loaded_torch.set_threads(context.threads)  # it may have been loaded just now
            if found.is_custom:
                with context.phase("train"):  # what the user's function does not call otherwise
                    arguments = _arguments(found, function, params, context)
                    with forks_end_here():
                        returned = function(**arguments)
                results.take(returned, finished.parameters, context, finished.results)
            else:
                with forks_end_here():
                    noted = function(params, context)
                context.note(**(noted or {}))
    finally:
        finished.values.update(_measured(context, sampler, peak))


def _arguments(found: Workload, function: Callable[..., Any], params: Any, context: Context) -> dict[str, Any]:
    """What the user's function is called with: its parameters as typed, and context and seed where it asks for them."""
    given = {"context": context, "seed": context.seed}
    takes = found.takes if found.takes is not None else frozenset(inspect.signature(function).parameters)
    return found.values(params) | {name: value for name, value in given.items() if name in takes}


def _seen(expect: Expectation, context: Context, sampler: Sampler) -> Readings:
    """Of this attempt; a shortage of CPUs needs no looking on."""
    readings = sampler.readings(of_gpu=context.device == "cuda")
    shortage = device.cpu_shortage(expect)
    return readings if shortage is None else Readings([shortage, *(readings.disturbed_by or ())], readings.energy_j)


def _measured(context: Context, sampler: Sampler, peak: PeakMemory) -> dict[str, Any]:
    """What was seen of the hardware; of the GPU only if the trial computed there."""
    readings = context.readings()
    reasons = readings.disturbed_by
    columns = {"host_rss_gb": peak.gb(), **loaded_torch.peak_memory(), **sampler.columns()}
    for energy in ENERGY:
        columns[energy] = readings.energy_j.get(energy)
        if columns[energy] is None:
            columns[energy.replace("_j", "_source")] = None
    if context.device == "cpu":
        columns = {name: value for name, value in columns.items() if not name.startswith("gpu_")}
    return columns | {
        "disturbed": None if reasons is None else bool(reasons),
        "disturbed_by": reasons or None,
    }


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - only compared and gone back to
    except FileNotFoundError:
        return None


@cache
def _versions() -> Mapping[str, str]:
    versions = {"python_version": python_version()}
    for column, package in VERSIONED.items():
        with suppress(PackageNotFoundError):
            versions[column] = version(package)
    return versions
