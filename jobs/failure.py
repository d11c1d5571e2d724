"""What an exception says about its attempt: the outcome, and columns that can be trusted to be
written."""

from __future__ import annotations

import gc
import signal
import traceback
from typing import Any

from artifacts.record import Outcome
from artifacts.values import clean
from jobs.errors import CommandFailed, StopRequested, WrongDevice
from jobs.measure import loaded_torch

LONGEST_MESSAGE = 2_000
LONGEST_TRACEBACK = 20_000

FIXES = {
    Outcome.gpu_out_of_memory: "a smaller batch_size, amp, or a target with more GPU memory would "
    "need less",
    Outcome.out_of_memory: "give the group more, resources: {mem_gb: ...}",
}
# How the libraries say it where they raise a plain RuntimeError.
_GPU_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DEVICE_ALLOCATION_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate",
)
_HOST_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "Cannot allocate memory",
)

_OWN_FAULT = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
)


def outcome_of(error: BaseException) -> Outcome:
    """Return how an attempt ended that ended in this exception, or in one that was raised from
    it."""
    if isinstance(error, StopRequested):
        return Outcome.preempted
    if isinstance(error, WrongDevice):
        return Outcome.wrong_device
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if _is_gpu_memory(cause):
            return Outcome.gpu_out_of_memory
        if isinstance(cause, CommandFailed):
            return _of_command(cause)
        if isinstance(cause, MemoryError) or (
            isinstance(cause, OSError | RuntimeError) and _says(cause, _HOST_MEMORY)
        ):
            return Outcome.out_of_memory
        cause = cause.__cause__
    return Outcome.failed


def columns_of(error: BaseException, outcome: Outcome) -> dict[str, Any]:
    """Return ``error_type``, ``error_message`` (with a fix if one is known) and ``traceback``,
    whatever the exception is like."""
    message = _text(error)
    if outcome in FIXES:
        message = f"{message} ({FIXES[outcome]})"
    if isinstance(error, SystemExit):
        message = (
            f"the workload ended the process with sys.exit({message}); raise an exception, "
            "or return, instead"
        )
    return {
        "error_type": _name(error),
        "error_message": _cut(message, LONGEST_MESSAGE),
        "traceback": _cut(_trace(error), LONGEST_TRACEBACK),
    }


def let_go() -> bool:
    """Free what a failed attempt still holds through its traceback, so that the next one in this
    process has the memory.

    Returns:
        Whether the GPU still answers: after a fault in a kernel it answers nothing any more, until
        the process ends.
    """
    gc.collect()
    try:
        loaded_torch.synchronize()
        loaded_torch.empty_cache()
    except Exception:
        return False
    return True


def _of_command(error: CommandFailed) -> Outcome:
    """What became of a command, by the signal that ended it or by what Python says last."""
    if error.code < 0:
        return Outcome.crashed if -error.code in _OWN_FAULT else Outcome.killed
    if any(phrase in error.output for phrase in (*_GPU_MEMORY, "torch.OutOfMemoryError")):
        return Outcome.gpu_out_of_memory
    last = (error.output.splitlines() or [""])[-1]
    return (
        Outcome.out_of_memory
        if last.startswith("MemoryError") or any(phrase in last for phrase in _HOST_MEMORY)
        else Outcome.failed
    )


def _is_gpu_memory(error: BaseException) -> bool:
    torch = loaded_torch.module()
    if torch is not None and isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _says(error, _GPU_MEMORY)


def _says(error: BaseException, phrases: tuple[str, ...]) -> bool:
    text = _text(error)
    return any(phrase in text for phrase in phrases)


def _name(error: BaseException) -> str:
    kind = type(error)
    return _cut(
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}",
        LONGEST_MESSAGE,
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # its __str__ is the user's code, too
        return f"<its message cannot be printed: __str__ raised {type(second).__name__}>"


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException as second:
        return f"<its traceback cannot be printed: {type(second).__name__}>"


def _cut(text: str, longest: int) -> str:
    """The text in UTF-8's range; of a long one the beginning and, mostly, the end, which says what
    happened."""
    text = clean(text)
    if len(text) <= longest:
        return text
    head = longest // 4
    return (
        f"{text[:head]}\n[... {len(text) - longest} characters left out "
        f"...]\n{text[head - longest :]}"
    )
