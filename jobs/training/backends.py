"""Settings of torch that are the process's own: set for one trial, and put back after it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from jobs.measure import loaded_torch
from jobs.training.errors import NoDevice
from jobs.training.fields import TrainParams

# cuBLAS repeats bit for bit only with a workspace of its own, and reads this when its first handle is made.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def device_of(params: TrainParams, offered: str) -> torch.device:
    """Where the trial computes.

    Args:
        offered: ``cpu`` or ``cuda``, what its target has.

    Raises:
        NoDevice: It is to be a GPU, and torch has none.
    """
    wanted = offered if params.device == "auto" else params.device
    if wanted == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda is not None
        raise NoDevice("torch sees no GPU" if built else f"torch {torch.__version__} was built without CUDA")
    return torch.device(wanted)


@contextmanager
def applied(params: TrainParams, device: torch.device, threads: int) -> Iterator[None]:
    """Compute as the parameters say, with so many threads; a warm process goes on afterwards as if nothing had been set."""
    with ExitStack() as undo:
        if params.compile != "off":
            _compile_anew(undo)
        undo.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)
        if params.deterministic:
            undo.callback(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled())
            torch.use_deterministic_algorithms(True)
            _set(undo, torch.backends.cudnn, "deterministic", True)
        if device.type == "cuda":
            _let_go_of_memory()
            _apply_gpu(params, undo)
        yield


def _apply_gpu(params: TrainParams, undo: ExitStack) -> None:
    _set(undo, torch.backends.cudnn, "enabled", params.cudnn)
    _set(undo, torch.backends.cudnn, "benchmark", params.cudnn_benchmark)
    if params.tf32 is not None:
        _set(undo, torch.backends.cudnn, "allow_tf32", params.tf32)
        _set(undo, torch.backends.cuda.matmul, "allow_tf32", params.tf32)
    undo.callback(torch.backends.cuda.preferred_blas_library, torch.backends.cuda.preferred_blas_library())
    torch.backends.cuda.preferred_blas_library(params.blas)


def _compile_anew(undo: ExitStack) -> None:
    """Let nothing that was compiled earlier be found, here or on disk: a repeat's compile time is a repeat, not a look into a cache."""
    from torch._inductor.utils import fresh_cache  # torch has no public way to an empty cache

    fresh = fresh_cache()
    fresh.__enter__()
    undo.callback(fresh.__exit__, None, None, None)  # not the trial's exception, which would leave the folder behind
    undo.callback(torch.compiler.reset)  # compiled programs keep their model alive


def _let_go_of_memory() -> None:
    """Give back what the trial before has left, in reference cycles too."""
    gc.collect()
    loaded_torch.empty_cache()


def _set(undo: ExitStack, where: Any, name: str, value: Any) -> None:
    undo.callback(setattr, where, name, getattr(where, name))
    setattr(where, name, value)
