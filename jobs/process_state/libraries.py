"""Settings of multiprocessing, NumPy and torch, read and changed only where those are loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from jobs.measure import loaded_torch
from jobs.process_state.part import StatePart

_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def _start_method() -> str | None:
    multiprocessing = sys.modules.get("multiprocessing")
    return None if multiprocessing is None else multiprocessing.get_start_method(allow_none=True)


def _set_start_method(method: str | None) -> None:
    sys.modules["multiprocessing"].set_start_method(method, force=True)


def _numpy_errors() -> dict[str, str]:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "geterr"):
        return dict(_NUMPY_ERRORS)
    errors: dict[str, str] = numpy.geterr()
    return errors


def _set_numpy_errors(saved: dict[str, str]) -> None:
    sys.modules["numpy"].seterr(**saved)


def _torch(read: Callable[[Any], Any], otherwise: Any) -> Callable[[], Any]:
    """How a setting of torch is read: as it is in a new process where torch is not loaded."""

    def value() -> Any:
        torch = loaded_torch.module()
        return otherwise if torch is None else read(torch)

    return value


def _to_torch(write: Callable[[Any, Any], object]) -> Callable[[Any], object]:
    return lambda value: write(loaded_torch.module(), value)


def _determinism(torch: Any) -> tuple[bool, bool]:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )


def _set_determinism(torch: Any, saved: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(saved[0], warn_only=saved[1])


def _cudnn(torch: Any) -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32


def _set_cudnn(torch: Any, saved: tuple[bool, ...]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = saved


def _interop_threads(torch: Any) -> int:
    """How many were asked for; 0 for as many as torch takes by itself."""
    threads: int = torch.get_num_interop_threads()
    return 0 if threads in (os.cpu_count(), len(os.sched_getaffinity(0))) else threads


def _is_distributed(torch: Any) -> bool:
    distributed = torch.distributed
    return bool(distributed.is_available() and distributed.is_initialized())


LIBRARY_PARTS = (
    StatePart("the start method of multiprocessing", _start_method, _set_start_method),
    StatePart("NumPy's error handling", _numpy_errors, _set_numpy_errors),
    StatePart(
        "torch's default type",
        _torch(lambda torch: str(torch.get_default_dtype()), "torch.float32"),
        _to_torch(
            lambda torch, saved: torch.set_default_dtype(
                getattr(torch, saved.removeprefix("torch."))
            )
        ),
    ),
    StatePart(
        "torch's default device",
        _torch(lambda torch: str(torch.get_default_device()), "cpu"),
        _to_torch(lambda torch, saved: torch.set_default_device(None if saved == "cpu" else saved)),
    ),
    StatePart(
        "torch's deterministic algorithms",
        _torch(_determinism, (False, False)),
        _to_torch(_set_determinism),
    ),
    StatePart(
        "torch's precision of matrix products",
        _torch(lambda torch: torch.get_float32_matmul_precision(), "highest"),
        _to_torch(lambda torch, saved: torch.set_float32_matmul_precision(saved)),
    ),
    StatePart(
        "cuDNN's settings", _torch(_cudnn, (True, False, False, True)), _to_torch(_set_cudnn)
    ),
    StatePart(
        "torch's gradients",
        _torch(lambda torch: torch.is_grad_enabled(), True),
        _to_torch(lambda torch, saved: torch.set_grad_enabled(saved)),
    ),
    StatePart(
        "torch's anomaly detection",
        _torch(lambda torch: torch.is_anomaly_enabled(), False),
        _to_torch(lambda torch, saved: torch.autograd.set_detect_anomaly(saved)),
    ),
    StatePart(
        "torch's way to share tensors",
        _torch(lambda torch: torch.multiprocessing.get_sharing_strategy(), "file_descriptor"),
        _to_torch(lambda torch, saved: torch.multiprocessing.set_sharing_strategy(saved)),
    ),
    StatePart("torch's inter-op threads", _torch(_interop_threads, 0), None),
    StatePart("torch.distributed", _torch(_is_distributed, False), None),
)
"""What of them a trial may change."""
