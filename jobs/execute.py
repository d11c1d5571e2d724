"""One attempt at one trial, in this process: whatever happens inside, it ends in a Finished."""

from __future__ import annotations

import inspect
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from types import FrameType
from typing import Any

from artifacts.record import Outcome
from cluster import machine
from jobs import failure, results
from jobs.context import Context
from jobs.forks import forks_end_here
from jobs.measure import device, loaded_torch, threads
from jobs.measure.clock import PhaseClock
from jobs.measure.device import Expectation
from jobs.measure.memory import PeakMemory
from jobs.measure.readings import Readings
from jobs.measure.sampler import ENERGY, Sampler
from jobs.position import Position
from jobs.process_state.state import Changes, ProcessState
from jobs.process_state.streams import standard_streams_kept
from jobs.registry import Workload, workload
from jobs.spec import JobSpec
from jobs.versions import VERSIONED

__all__ = ["Expectation", "Finished", "execute", "warm"]

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
"""Signals whose handlers may raise something to stop the runner: Ctrl-C, the wish of a service
manager, a time limit."""


Watched = Callable[[Callable[[], Position]], AbstractContextManager[None]]
"""Makes the block in which another thread may ask where the trial is."""


@dataclass(frozen=True)
class Finished:
    """What an attempt leaves behind."""

    outcome: Outcome
    """How it ended."""
    values: dict[str, Any]
    """Columns of the record, by name; without identity and place, which the worker knows."""
    results: dict[str, Any] = field(default_factory=dict)
    """What the user's function returned beside metrics."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """All of the trial's parameters, defaults written out."""
    spent: str = ""
    """Why no other trial may run in this process: the GPU has faulted, or something cannot be put
    back (see jobs.process_state). Empty if one may."""
    stopped: BaseException | None = None
    """What stopped the trial from outside although it came to its end: whoever called is to raise
    it."""


def execute(
    spec: JobSpec,
    *,
    files: Path,
    sweep: str = "",
    attempt: int = 1,
    data_dir: Path | None = None,
    import_path: tuple[str, ...] = (),
    code: str | None = None,
    expect: Expectation | None = None,
    stop_requested: Callable[[], bool] = lambda: False,
    watched: Watched = lambda _position: nullcontext(),
) -> Finished:
    """Run the trial and measure it.

    Args:
        files: The trial's folder in the store; made when the workload asks for it.
        data_dir: Folder of the data sets.
        import_path: Folders to look for the user's module in.
        code: What the record says about that code; None if the trial needs none.
        expect: What the target promises; one CPU and no GPU if nothing is said.
        stop_requested: Whether the scheduler wants the attempt to end.
        watched: Is told how to ask where the trial is, while it runs.

    Returns:
        Always, also where the workload raises SystemExit, runs out of memory or out of stack, or
        cannot be imported.

    Raises:
        BaseException: Whatever a signal handler raised that was set before: Ctrl-C, or a backend's
            time limit. What the workload itself raises is the trial's, whatever its name.
    """
    expect = expect or Expectation()
    clock = PhaseClock()
    context = Context(
        files=files,
        trial=spec.trial_id,
        sweep=sweep,
        attempt=attempt,
        seed=spec.seed,
        target=spec.target,
        data_dir=data_dir,
        code=code,
        device=expect.device,
        cpus=expect.cpus,
        threads=device.threads(expect),
        mem_gb=device.memory_gb(expect),
        stop=stop_requested,
        clock=clock,
    )
    finished = Finished(Outcome.completed, {}, {}, dict(spec.params))
    # NVML and SLURM count the GPUs by their place on the bus; CUDA would count the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    threads.limit(context.threads)
    versions = _versions()  # now, while this process may surely read them
    with _noticing_signals() as raised, _process_kept((spec.workload, import_path)) as kept:
        try:
            with watched(context.position):
                _attempt(spec, import_path, expect, context, finished, kept)
        except BaseException as error:
            if raised:
                raise raised[-1] from None
            outcome = failure.outcome_of(error)
            if outcome != Outcome.preempted:  # which is no error
                finished.values.update(failure.columns_of(error, outcome))
            finished = Finished(outcome, finished.values, finished.results, finished.parameters)
    faulted = finished.outcome != Outcome.completed and not failure.let_go()
    reasons = (["the GPU has faulted"] if faulted else []) + kept.problems
    finished = replace(finished, spent="; ".join(reasons), stopped=raised[-1] if raised else None)
    finished.values.update(device.describe(expect, context.device))
    finished.values.update(versions, data_digest=context.data_digest)
    if finished.outcome != Outcome.wrong_device:
        finished.values.update({"threads": kept.threads or context.threads, **context.noted})
        finished.values["history"] = context.history or None
    finished.values.update(clock.ledger(), outcome=finished.outcome)
    return finished


def warm(spec: JobSpec, *, data_dir: Path | None = None, import_path: tuple[str, ...] = ()) -> None:
    """Import what the trial needs and map its data, before any trial's clock runs.

    Only built-in workloads are warmed: importing the user's module is theirs to time and to fail
    in. What cannot be warmed is left to the trial, whose record says why.
    """
    with suppress(Exception):
        found = workload(spec.workload, import_path)
        if not found.is_custom:
            found.load()
            prepare = getattr(sys.modules[found.function.partition(":")[0]], "warm", None)
            if prepare is not None:
                prepare(found.read(spec.params), data_dir)


@contextmanager
def _noticing_signals() -> Iterator[list[BaseException]]:
    """Collect in the block what the handlers of signals raise: that comes from outside, and nothing
    else does."""
    raised: list[BaseException] = []

    def noticing(
        handler: Callable[[int, FrameType | None], object],
    ) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            try:
                handler(number, frame)
            except BaseException as error:
                raised.append(error)
                raise

        return handle

    before = {}
    if (
        threading.current_thread() is threading.main_thread()
    ):  # else no handler raises anything here
        for number in _STOPPING:
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = signal.signal(number, noticing(handler))
    try:
        yield raised
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_Key = tuple[str, tuple[str, ...]]
"""A workload's name, and where it is imported from: other code may leave the process otherwise."""


class _Kept:
    """The process as the workload's module left it, and what of that the trial changed for good."""

    def __init__(self, key: _Key) -> None:
        self.before = ProcessState.now()
        self._key = key
        self.problems: list[str] = []
        self._restored = False
        self.threads: int | None = None
        """What the trial computed with at its end, if it said so to the libraries itself."""
        self._imported = _set_by_import.get(key)
        if self._imported is not None:
            self.before.changed_by(self._imported).restore()

    def imported(self) -> None:
        """Take what has changed so far for the doing of the module, which is imported once."""
        if self._imported is None:
            self._imported = _set_by_import[self._key] = self.before.changed_to(ProcessState.now())

    def restore(self) -> None:
        """Put the process back, once."""
        if self._restored:
            return
        self._restored = True
        self.before.undo_patches()
        self.threads = threads.used()
        if self._imported:
            self.problems = self.before.changed_by(self._imported).restore()
            self.before.restore()
        else:
            self.problems = self.before.restore()


_set_by_import: dict[_Key, Changes] = {}


@contextmanager
def _process_kept(key: _Key) -> Iterator[_Kept]:
    with standard_streams_kept():
        kept = _Kept(key)
        try:
            yield kept
        finally:
            kept.restore()


def _attempt(
    spec: JobSpec,
    import_path: tuple[str, ...],
    expect: Expectation,
    context: Context,
    finished: Finished,
    kept: _Kept,
) -> None:
    """Run the workload; what is known goes into ``finished`` on the way, so that an exception costs
    none of it."""
    found = workload(spec.workload, import_path)
    params = found.read(spec.params)
    finished.parameters.clear()
    finished.parameters.update(found.written_out(params))
    device.check(expect)
    loaded_torch.empty_cache()  # what an earlier trial left in the allocator is not this one's
    loaded_torch.reset_peak_memory()
    peak = PeakMemory()
    sampler = Sampler(machine.gpus() if expect.wants_gpu else (), expect.gpus, expect.cpus)
    context.watch(lambda: _seen(expect, context, sampler))
    try:
        with sampler:
            with context.phase("import"):
                with forks_end_here():
                    function = found.load()
                threads.limit(context.threads)  # it may have loaded more libraries just now
            kept.imported()
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
        kept.restore()  # without free descriptors nothing could be measured
        finished.values.update(_measured(context, sampler, peak))


def _arguments(
    found: Workload, function: Callable[..., Any], params: Any, context: Context
) -> dict[str, Any]:
    """What the user's function is called with: its parameters as typed, and context and seed where
    it asks for them."""
    given = {"context": context, "seed": context.seed}
    takes = (
        found.takes
        if found.takes is not None
        else frozenset(inspect.signature(function).parameters)
    )
    return found.values(params) | {name: value for name, value in given.items() if name in takes}


def _seen(expect: Expectation, context: Context, sampler: Sampler) -> Readings:
    """Of this attempt; a shortage of CPUs needs no looking on."""
    readings = sampler.readings(of_gpu=context.device == "cuda")
    shortage = device.cpu_shortage(expect)
    return (
        readings
        if shortage is None
        else Readings([shortage, *(readings.disturbed_by or ())], readings.energy_j)
    )


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


@cache
def _versions() -> Mapping[str, str]:
    versions = {"python_version": python_version()}
    for column, package in VERSIONED.items():
        with suppress(PackageNotFoundError):
            versions[column] = version(package)
    return versions
