"""torch as the workload loaded it; nothing here imports it, so a trial that does without pays
nothing for it."""

from __future__ import annotations

import sys
from typing import Any

from cluster.machine import GIB


def module() -> Any | None:
    """Return torch if this process has imported it (wholly), else None."""
    torch = sys.modules.get("torch")
    return (
        torch
        if torch is not None and hasattr(torch, "cuda") and hasattr(torch, "set_num_threads")
        else None
    )


def cuda() -> Any | None:
    """Return ``torch.cuda`` if a context lives in this process, else None."""
    torch = module()
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def synchronize() -> None:
    """Wait until the GPU has done what was queued; at once where there is none."""
    gpu = cuda()
    if gpu is not None:
        gpu.synchronize()


def versions() -> dict[str, str | None]:
    """Return CUDA and cuDNN as torch has them; empty where torch is not loaded."""
    torch = module()
    if torch is None:
        return {}
    cudnn = torch.backends.cudnn.version() if torch.version.cuda else None
    return {
        "cuda_version": torch.version.cuda,
        "cudnn_version": None if cudnn is None else str(cudnn),
    }


def reset_peak_memory() -> None:
    """Let the GPU's peaks begin anew at what is held now."""
    gpu = cuda()
    if gpu is not None:
        for index in range(gpu.device_count()):
            gpu.reset_peak_memory_stats(index)


def empty_cache() -> None:
    """Give the allocator's unused GPU memory back."""
    gpu = cuda()
    if gpu is not None:
        gpu.empty_cache()


def peak_memory() -> dict[str, float]:
    """Return the peak GPU memory since the reset in GiB (2**30 bytes), added up over the devices;
    empty where no context lives."""
    gpu = cuda()
    if gpu is None:
        return {}
    devices = range(gpu.device_count())
    return {
        "gpu_mem_allocated_gb": sum(gpu.max_memory_allocated(index) for index in devices) / GIB,
        "gpu_mem_reserved_gb": sum(gpu.max_memory_reserved(index) for index in devices) / GIB,
    }


def set_threads(threads: int) -> None:
    """Let torch compute with this many threads, if it is loaded."""
    torch = module()
    if torch is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
