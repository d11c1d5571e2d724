"""Settings of torch that are the process's own: set for one trial, and put back after it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import torch

from jobs.measure import loaded_torch
from jobs.training.errors import NoDevice
from jobs.training.fields import TrainParams

CUBLAS_WORKSPACE: Final = "CUBLAS_WORKSPACE_CONFIG"
"""torch wants to see it before it believes that cuBLAS repeats bit for bit; without need it would
take 24 MiB more on small GPUs."""


def device_of(params: TrainParams, offered: str) -> torch.device:
    """Return where the trial computes.

    Args:
        offered: ``cpu`` or ``cuda``, what its target has.

    Raises:
        NoDevice: It is to be a GPU, and torch has none.
    """
    wanted = offered if params.device == "auto" else params.device
    if wanted == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda is not None
        raise NoDevice(
            "torch sees no GPU" if built else f"torch {torch.__version__} was built without CUDA"
        )
    return torch.device(wanted)


def start(device: torch.device) -> None:
    """Make CUDA's context, if the trial computes there: some tenths of a second that belong to no
    phase of its own."""
    if device.type == "cuda":
        torch.cuda.synchronize()


@contextmanager
def applied(params: TrainParams, device: torch.device, threads: int) -> Iterator[None]:
    """Compute as the parameters say, with so many threads; a warm process goes on afterward as if
    nothing had been set."""
    with ExitStack() as undo:
        if params.compile != "off":
            _compile_anew(undo)
        undo.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)
        if params.deterministic:
            undo.callback(
                torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled()
            )
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
    if params.deterministic and CUBLAS_WORKSPACE not in os.environ:
        os.environ[CUBLAS_WORKSPACE] = ":4096:8"
        undo.callback(os.environ.pop, CUBLAS_WORKSPACE)
    undo.callback(
        torch.backends.cuda.preferred_blas_library, torch.backends.cuda.preferred_blas_library()
    )
    torch.backends.cuda.preferred_blas_library(params.blas)


def _compile_anew(undo: ExitStack) -> None:
    """Let nothing that was compiled earlier be found, here or on disk: a repeat's compile time is a
    repeat, not a look into a cache."""
    from torch._inductor.utils import fresh_cache  # torch has no public way to an empty cache

    fresh = fresh_cache()
    fresh.__enter__()
    undo.callback(
        fresh.__exit__, None, None, None
    )  # not the trial's exception, which would leave the folder behind
    undo.callback(torch.compiler.reset)  # compiled programs keep their model alive


def _let_go_of_memory() -> None:
    """Give back what the trial before has left, in reference cycles and as workspaces of cuBLAS,
    too."""
    gc.collect()  # first: a CUDA graph that still lives would use its workspace
    if loaded_torch.cuda() is not None:
        torch._C._cuda_clearCublasWorkspaces()  # torch has no public way
    loaded_torch.empty_cache()


def _set(undo: ExitStack, where: Any, name: str, value: Any) -> None:
    undo.callback(setattr, where, name, getattr(where, name))
    setattr(where, name, value)
