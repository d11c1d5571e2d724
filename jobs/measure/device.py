"""The hardware under a trial: described as this process sees it, and checked against what the
target promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from cluster import machine
from cluster.machine import GIB
from jobs.errors import WrongDevice
from jobs.hardware import words
from jobs.measure import loaded_torch

NO_GPU = "none"
# Words that make another product of the same number: an RTX 3080 Ti is no RTX 3080, a MIG slice of
# an A30 no A30.
VARIANTS = frozenset({"ti", "super", "laptop", "mobile", "max", "mig", "ada", "blackwell", "d"})


@dataclass(frozen=True)
class Expectation:
    """What the target promises a trial."""

    gpu: str | None = None
    """Model, as the cluster profile spells it; ``none`` declares that there is none, whatever
    ``gpus`` says."""
    gpus: float = 0
    """GPUs or a share of one."""
    cpus: int = 1
    """CPUs."""
    mem_gb: float | None = None
    """Memory in GiB (2**30 bytes), as SLURM counts."""

    @property
    def wants_gpu(self) -> bool:
        """Return whether the trial is to run on a GPU."""
        return self.gpu != NO_GPU and (self.gpus > 0 or self.gpu is not None)

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Return where the trial is to run, as torch says it."""
        return "cuda" if self.wants_gpu else "cpu"


def describe(expect: Expectation, used: Literal["cpu", "cuda"]) -> dict[str, Any]:
    """Return the device columns of the record; GPU columns only for a trial that was to have one
    and compute on it.

    Args:
        used: Where it computed, as torch says it.
    """
    columns: dict[str, Any] = {
        "device": used,
        "cpu_model": machine.cpu_model(),
        "cpus_asked": expect.cpus,
        "cpus_granted": machine.cpus(),
        "ram_gb": machine.installed_bytes() / GIB,
    }
    seen = machine.gpus() if expect.wants_gpu and used == "cuda" else ()
    if seen:
        columns |= {
            "gpu_name": seen[0].name,
            "gpu_uuid": ",".join(gpu.uuid for gpu in seen),
            "gpu_count": len(seen),
            "gpu_total_gb": seen[0].memory_bytes / GIB,
            "driver_version": machine.driver_version(),
            **loaded_torch.versions(),
        }
    return columns


def check(expect: Expectation) -> None:
    """Hold the worker's GPUs against the target's promise.

    Raises:
        WrongDevice: No GPU, too few, or another model.
    """
    if not expect.wants_gpu:
        return
    names = [gpu.name for gpu in machine.gpus()]
    wanted = max(1, math.ceil(expect.gpus))
    promised = f"{wanted} GPU{'s' if wanted > 1 else ''}" + (
        f" of model {expect.gpu}" if expect.gpu else ""
    )
    if not names:
        raise WrongDevice(promised, "no GPU")
    if len(names) < wanted or (
        expect.gpu and not all(is_model(expect.gpu, name) for name in names)
    ):
        raise WrongDevice(promised, ", ".join(names))


def cpu_shortage(expect: Expectation) -> str | None:
    """Return what to say if fewer CPUs were granted than asked for."""
    granted = machine.granted_cpus()
    return f"fewer CPUs than asked: {granted:g} of {expect.cpus}" if granted < expect.cpus else None


def threads(expect: Expectation) -> int:
    """Return the threads to compute with: one for each CPU that was both asked for and granted."""
    return max(1, min(expect.cpus, machine.cpus()))


def memory_gb(expect: Expectation) -> float:
    """Return the memory the trial may use in GiB (2**30 bytes): what was asked for, else its CPUs'
    share of the node's."""
    granted = machine.memory_bytes()
    if expect.mem_gb is not None:
        return min(expect.mem_gb * GIB, granted) / GIB
    share = min(1.0, expect.cpus / machine.installed_cpus())
    return min(machine.installed_bytes() * share, granted) / GIB


def is_model(wanted: str, name: str) -> bool:
    """Return whether NVML's name is the model that a profile means.

    Words are compared whole: ``t4`` is "Tesla T4" and not "NVIDIA T400", ``rtx3090`` is "NVIDIA
    GeForce RTX 3090", ``a100-80gb`` is "NVIDIA A100-SXM4-80GB".
    """
    own = words(name)
    runs = {
        "".join(own[start:stop]): set(own[start:stop])
        for start in range(len(own))
        for stop in range(start + 1, len(own) + 1)
    }
    asked = words(wanted)
    if not asked or not all(word in runs for word in asked):
        return False
    meant = set().union(*(runs[word] for word in asked))
    return not (VARIANTS & set(own)) - meant
