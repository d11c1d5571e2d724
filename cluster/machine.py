"""What hardware this process may use, as the kernel and NVML say; nothing is copied from what was
asked for.

Whoever hands out hardware and whoever records it asks here, so that the two cannot disagree.
"""

from __future__ import annotations

import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pynvml

ROOT = Path("/")

GIB = 2**30
"""Bytes in the unit of every name that ends in ``_gb``, as SLURM counts."""

_GENERATION = ("RTX", "GTX")
_SUFFIXES = ("TI", "SUPER")


@dataclass(frozen=True)
class Gpu:
    """One visible GPU, or MIG slice of one."""

    handle: Any
    """NVML's, for those who watch it."""
    name: str
    """The product's: "NVIDIA A30"."""
    uuid: str
    memory_bytes: int

    @property
    def model(self) -> str:
        """Return its name as the short word for a target: ``a30``."""
        return model_of(self.name)


def granted_cpus(root: Path = ROOT) -> float:
    """Return the CPUs that this process can keep busy: its affinity or the tightest cgroup quota
    above it, the smaller.

    Args:
        root: Folder that holds ``proc`` and the paths that it names.
    """
    affinity = len(os.sched_getaffinity(0))
    quota = _cpu_quota(root)
    return affinity if quota is None else min(affinity, quota)


def cpus() -> int:
    """Return the whole CPUs that this process may use, at least 1."""
    return max(1, math.floor(granted_cpus()))


def installed_cpus() -> int:
    """Return the CPUs of the node."""
    return os.cpu_count() or 1


@cache
def cpu_model(root: Path = ROOT) -> str | None:
    """Return the processor's name; None where the kernel does not tell."""
    for line in _lines(root / "proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "cpu model"):
            return value.strip()
    return None


def memory_bytes(root: Path = ROOT) -> int:
    """Return the memory that this process may use: the node's or the tightest cgroup limit above
    it, the smaller.

    Args:
        root: Folder that holds ``proc`` and the paths that it names.
    """
    limit = _memory_limit(root)
    return installed_bytes() if limit is None else min(installed_bytes(), limit)


@cache
def installed_bytes() -> int:
    """Return the memory of the node."""
    return int(psutil.virtual_memory().total)


def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs of ``CUDA_VISIBLE_DEVICES`` in CUDA's order; all of them where it is not set,
    none without a driver."""
    return _visible_gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))


@cache
def driver_version() -> str | None:
    """Return the version of NVIDIA's driver; None where there is none."""
    return str(pynvml.nvmlSystemGetDriverVersion()) if _nvml_started() else None


def model_of(name: str) -> str:
    """Return a GPU's product name as the short word for a target.

    "NVIDIA A100-SXM4-80GB" is ``a100``, "Tesla T4" ``t4``, "NVIDIA GeForce RTX 3080 Ti"
    ``rtx3080ti``; "NVIDIA A30 MIG 1g.6gb", a slice, is ``a30-mig-1g.6gb``.
    """
    card, _, cut = name.upper().partition(" MIG ")
    words = [word for word in re.split(r"[\s/-]+", card) if word]
    for place, word in enumerate(words):
        if any(character.isdigit() for character in word):
            before = [
                previous for previous in words[max(0, place - 1) : place] if previous in _GENERATION
            ]
            after = [suffix for suffix in words[place + 1 : place + 3] if suffix in _SUFFIXES]
            model = "".join((*before, word, *after))
            break
    else:
        model = "-".join(words)
    return (f"{model}-mig-{cut}" if cut else model).lower()


@cache
def _nvml_started() -> bool:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # no NVIDIA driver, or no device
        return False
    return True


@cache
def _visible_gpus(wanted: str | None) -> tuple[Gpu, ...]:
    if not _nvml_started():
        return ()
    handles = _all_handles() if wanted is None else _chosen_handles(wanted)
    return tuple(_described(_taken_by_cuda(handle)) for handle in handles)


def _all_handles() -> list[Any]:
    handles = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        with suppress(pynvml.NVMLError):  # one that the cgroup hides; CUDA does not count it either
            handles.append(pynvml.nvmlDeviceGetHandleByIndex(index))
    return handles


def _chosen_handles(wanted: str) -> list[Any]:
    """The devices named, up to the first that does not exist: this is where CUDA stops reading,
    too."""
    handles: list[Any] = []
    everything = _all_handles()
    for word in (part.strip() for part in wanted.split(",")):
        try:
            if word.startswith("MIG-"):
                handles.append(pynvml.nvmlDeviceGetHandleByUUID(word))
            elif word.startswith("GPU-"):  # may be shortened
                handles.append(
                    next(
                        handle
                        for handle in everything
                        if pynvml.nvmlDeviceGetUUID(handle).startswith(word)
                    )
                )
            elif word.isdecimal():
                handles.append(everything[int(word)])
            else:
                break
        except (pynvml.NVMLError, StopIteration, IndexError):
            break
    return handles


def _taken_by_cuda(card: Any) -> Any:
    """The card, or its first slice where it is cut into some (MIG): CUDA then takes that for the
    card."""
    try:
        if pynvml.nvmlDeviceGetMigMode(card)[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
            for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(card)):
                with suppress(pynvml.NVMLError_NotFound):
                    return pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card, index)
    except pynvml.NVMLError:  # a card that cannot be cut, or a slice itself
        pass
    return card


def _described(handle: Any) -> Gpu:
    return Gpu(
        handle,
        pynvml.nvmlDeviceGetName(handle),
        pynvml.nvmlDeviceGetUUID(handle),
        int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )


@cache
def _cpu_quota(root: Path) -> float | None:
    """CPUs that the cgroups allow (v1 and v2); None where nothing limits. Groups do not change
    while a process lives."""
    found = [_cpus_of_group(folder) for folder in _groups(root, "cpu")]
    return min((quota for quota in found if quota is not None), default=None)


@cache
def _memory_limit(root: Path) -> int | None:
    """Bytes that the cgroups allow (v1 and v2); None where nothing limits."""
    found = [
        int(words[0])
        for folder in _groups(root, "memory")
        for file in ("memory.max", "memory.limit_in_bytes")  # v2, v1
        if (words := _lines(folder / file)) and words[0].strip().isdecimal()  # else "max"
    ]
    return min(found, default=None)


def _groups(root: Path, controller: str) -> list[Path]:
    """Folders of this process's control groups for a resource, from its own up to the mount."""
    own = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, group = line.split(":", 2)
        own[controllers] = group
    folders = []
    path: str | None
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        mounted, mount = before.split()[3:5]
        if kind == "cgroup2":
            path = own.get("")
        elif kind == "cgroup" and controller in options.split()[-1].split(","):
            path = next(
                (path for controllers, path in own.items() if controller in controllers.split(",")),
                None,
            )
        else:
            continue
        if path is not None:
            top = root / mount.lstrip("/")
            inner = path.removeprefix(mounted.rstrip("/")).strip("/")
            folder = top / inner
            # In a container the path may be the host's and not exist here: then the mount itself is
            # this process's group.
            folders += (
                [folder, *(parent for parent in folder.parents if parent.is_relative_to(top))]
                if folder.is_dir()
                else [top]
            )
    return folders


def _cpus_of_group(folder: Path) -> float | None:
    limit = _lines(folder / "cpu.max")  # v2: "150000 100000" or "max 100000"
    if limit:
        quota, period = limit[0].split()
        return None if quota == "max" else int(quota) / int(period)
    quotas, periods = (
        _lines(folder / "cpu.cfs_quota_us"),
        _lines(folder / "cpu.cfs_period_us"),
    )  # v1: -1 is no limit
    if quotas and periods and int(quotas[0]) > 0:
        return int(quotas[0]) / int(periods[0])
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
