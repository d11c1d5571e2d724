"""The GPUs that this process may use, through NVML: no torch, no CUDA context."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import pynvml


@dataclass(frozen=True)
class Gpu:
    """One visible GPU, or MIG slice of one.

    Attributes:
        handle: NVML's, for the sampler.
        total_gb: Its memory in GB (1e9 bytes).
    """

    handle: Any
    name: str
    uuid: str
    total_gb: float


def visible() -> tuple[Gpu, ...]:
    """The GPUs of ``CUDA_VISIBLE_DEVICES`` in CUDA's order; all of them where it is not set, none
    without a driver."""
    return _visible(os.environ.get("CUDA_VISIBLE_DEVICES"))


@cache
def driver_version() -> str | None:
    """NVIDIA's driver; None where there is none."""
    return str(pynvml.nvmlSystemGetDriverVersion()) if _started() else None


@cache
def _started() -> bool:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    return True


@cache
def _visible(wanted: str | None) -> tuple[Gpu, ...]:
    if not _started():
        return ()
    handles = _all() if wanted is None else _chosen(wanted)
    return tuple(_described(_taken_by_cuda(handle)) for handle in handles)


def _all() -> list[Any]:
    handles = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handles.append(pynvml.nvmlDeviceGetHandleByIndex(index))
        except pynvml.NVMLError:  # a GPU that the cgroup hides; CUDA does not count it either
            continue
    return handles


def _chosen(wanted: str) -> list[Any]:
    """The devices named, up to the first that does not exist: this is where CUDA stops reading,
    too."""
    handles: list[Any] = []
    everything = _all()
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
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(
        handle,
        pynvml.nvmlDeviceGetName(handle),
        pynvml.nvmlDeviceGetUUID(handle),
        float(memory.total) / 1e9,
    )
