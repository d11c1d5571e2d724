"""One array's resources and the site's settings in the words of submitit, which writes the batch
script."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.environment import thread_environment
from cluster.errors import Infeasible
from cluster.profile import SlurmSettings
from cluster.resources import Resources, SbatchOptions

MAX_REQUEUES_VARIABLE = "RUNNER_MAX_REQUEUES"

_EARLY_S = 60
"""SLURM may send the warning so much earlier than it was asked to."""
_LEAST_S = 10

_GPU_WAYS = ("gres", "gpus_per_node", "gpus_per_task")
_MEMORY_WAYS = ("mem_per_cpu", "mem_per_gpu")
_UNKNOWN_TO_SUBMITIT = ("reservation",)


_SETUP_FAILED = "runner: this line of setup failed with exit code"

_END_WHEN_A_LINE_FAILS = (
    # Not inside a file that a line reads (source, module): what counts is how the line itself ends.
    # $0 is the copy that runs.
    "trap 'code=$?; (( ${#BASH_SOURCE[@]} > 1 )) || { "
    f'echo "{_SETUP_FAILED} $code: $(sed -n "${{LINENO}}p" "$0")" >&2; '
    "exit $code; }' ERR"
)


def parameters(
    resources: Resources,
    settings: SlurmSettings,
    name: str,
    n_tasks: int,
    environment: Mapping[str, str],
    cluster: str = "",
) -> dict[str, Any]:
    """Return what submitit's SlurmExecutor.update_parameters takes; None for what SLURM shall
    decide.

    Args:
        resources: What one task gets; its options win over the site's.
        settings: How this site wants to be used.
        name: Job name and comment, by which an array is found again.
        n_tasks: Of the array; the throttle when the profile sets none.
        environment: Variables of the task, on top of the submitter's own and the thread counts.
        cluster: That is to have it; empty for the one of this machine.

    Raises:
        Infeasible: A share of a GPU, and nothing says how this site shares them.
    """
    options = _options(resources, settings)
    options |= _gpus(resources, settings, name)
    options |= _memory(resources, settings)
    cpus = None if options["cpus_per_gpu"] is not None else resources.cpus
    additional = {"requeue": True} | settings.additional | resources.additional
    if cluster:
        additional["clusters"] = cluster
    additional |= {
        option: value
        for option in _UNKNOWN_TO_SUBMITIT
        if (value := options.pop(option)) is not None
    }
    variables = (
        thread_environment(resources.cpus)
        | {MAX_REQUEUES_VARIABLE: str(settings.max_requeues)}
        | dict(environment)
    )
    return options | {
        "job_name": name,
        "comment": name,
        "time": None if resources.time_min is None else math.ceil(resources.time_min),
        "cpus_per_task": cpus,
        "signal_delay_s": signal_delay_s(resources, settings),
        "array_parallelism": settings.array_parallelism or n_tasks,
        "setup": [
            *_checked(settings.setup),
            *(f"export {key}={shlex.quote(value)}" for key, value in variables.items()),
        ],
        "teardown": list(settings.teardown) or None,
        # srun takes the CPUs from the job only in some versions of SLURM.
        "srun_args": [
            *([f"--cpus-per-task={cpus}"] if cpus is not None else []),
            *settings.srun_args,
        ],
        "use_srun": settings.use_srun,
        "stderr_to_stdout": settings.stderr_to_stdout,
        "additional_parameters": {
            key: value
            for key, value in additional.items()
            if value is not None and value is not False
        },
    }


def failed_setup(printed: str) -> str:
    """Return what a task's output says of a line of setup that failed; empty if none did."""
    return next(
        (line.strip() for line in reversed(printed.splitlines()) if line.startswith(_SETUP_FAILED)),
        "",
    )


def _checked(setup: Sequence[str]) -> list[str]:
    """The profile's lines, so that one that fails ends the task and is named in its output."""
    return [_END_WHEN_A_LINE_FAILS, *setup, "trap - ERR"] if setup else []


def signal_delay_s(resources: Resources, settings: SlurmSettings) -> int:
    """Return how long before the limit the task is told to stop; of a short limit so little that it
    is not told at once."""
    if resources.time_min is None:
        return settings.signal_delay_s
    return min(
        settings.signal_delay_s, max(_LEAST_S, int((60 * resources.time_min - _EARLY_S) / 2))
    )


def _options(resources: Resources, settings: SlurmSettings) -> dict[str, Any]:
    """sbatch's own options: the target's, else the site's."""
    names = [
        name
        for name in SbatchOptions.__struct_fields__
        if name not in ("additional", *_MEMORY_WAYS)
    ]
    return {
        name: getattr(settings, name)
        if getattr(resources, name) is None
        else getattr(resources, name)
        for name in names
    }


def _gpus(resources: Resources, settings: SlurmSettings, name: str) -> dict[str, Any]:
    """One way of asking for GPUs: the target's own, else the site's, else a plain gres."""
    for source in (resources, settings):
        ways = {way: getattr(source, way) for way in _GPU_WAYS}
        if any(value is not None for value in ways.values()):
            return ways
    nothing = dict.fromkeys(_GPU_WAYS)
    if not resources.gpus:
        return nothing
    if resources.gpus != int(resources.gpus):
        fix = (
            "write how this site shares GPUs, such as gres: shard:1, into the target, or ask "
            "for gpus: 1"
        )
        raise Infeasible(name, f"SLURM has no {resources.gpus:g} of a GPU", fix)
    model = f"{resources.gpu}:" if resources.gpu else ""
    return nothing | {"gres": f"gpu:{model}{int(resources.gpus)}"}


def _memory(resources: Resources, settings: SlurmSettings) -> dict[str, Any]:
    """One way of asking for memory, for they exclude each other: the target's own, else the
    site's."""
    if resources.mem_gb is not None:
        return {"mem": f"{math.ceil(resources.mem_gb * 1024)}M"} | dict.fromkeys(_MEMORY_WAYS)
    own = {way: getattr(resources, way) for way in _MEMORY_WAYS}
    return own if any(own.values()) else {way: getattr(settings, way) for way in _MEMORY_WAYS}
