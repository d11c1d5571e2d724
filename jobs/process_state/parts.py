"""What a trial may change of Python and of its process, and how each is put back.

``PARTS`` is the whole list; docs/custom-workloads.md has it in words.
"""

from __future__ import annotations

import builtins
import decimal
import faulthandler
import gc
import io
import locale
import logging
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from jobs.process_state.libraries import LIBRARY_PARTS
from jobs.process_state.part import StatePart


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - only compared and gone back to
    except FileNotFoundError:
        return None


def _change_folder(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _lists() -> list[list[Any]]:
    return [list(sys.path), list(sys.argv)]


def _set_lists(saved: list[list[Any]]) -> None:
    sys.path[:], sys.argv[:] = saved


def _hooks() -> list[Any]:
    return [
        sys.excepthook,
        sys.displayhook,
        sys.unraisablehook,
        sys.breakpointhook,
        threading.excepthook,
        sys.gettrace(),
        sys.getprofile(),
    ]


def _set_hooks(saved: list[Any]) -> None:
    (
        sys.excepthook,
        sys.displayhook,
        sys.unraisablehook,
        sys.breakpointhook,
        threading.excepthook,
        trace,
        profile,
    ) = saved
    sys.settrace(trace)
    sys.setprofile(profile)


def _interpreter() -> list[Any]:
    return [
        sys.getrecursionlimit(),
        sys.getswitchinterval(),
        sys.get_int_max_str_digits(),
        gc.isenabled(),
        gc.get_threshold(),
        gc.get_debug(),
        threading.stack_size(),
    ]


def _set_interpreter(saved: list[Any]) -> None:
    depth, interval, digits, collecting, threshold, debug, stack = saved
    sys.setrecursionlimit(depth)
    sys.setswitchinterval(interval)
    sys.set_int_max_str_digits(digits)
    (gc.enable if collecting else gc.disable)()
    gc.set_threshold(*threshold)
    gc.set_debug(debug)
    threading.stack_size(stack)


def _warning_filters() -> list[Any]:
    return [warnings.showwarning, *warnings.filters]


def _set_warning_filters(saved: list[Any]) -> None:
    warnings.resetwarnings()  # which also has Python forget what it knew of the filters
    warnings.showwarning, warnings.filters[:] = saved[0], saved[1:]  # type: ignore[index]


def _log_settings() -> list[Any]:
    return [logging.root.level, logging.root.manager.disable, *logging.root.handlers]


def _set_log_settings(saved: list[Any]) -> None:
    logging.root.setLevel(saved[0])
    logging.disable(saved[1])
    logging.root.handlers[:] = saved[2:]


def _library_settings() -> list[Any]:
    return [
        locale.setlocale(locale.LC_ALL),
        repr(decimal.getcontext()),
        socket.getdefaulttimeout(),
        tempfile.tempdir,
    ]


def _set_library_settings(saved: list[Any]) -> None:
    language, context, timeout, folder = saved
    locale.setlocale(locale.LC_ALL, language)
    if repr(decimal.getcontext()) != context:
        decimal.setcontext(_CONTEXT.copy())
    socket.setdefaulttimeout(timeout)
    tempfile.tempdir = folder


_CONTEXT = decimal.getcontext().copy()

_SIGNALS = sorted(
    set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGRTMIN, signal.SIGRTMAX}
)


def _handler(number: signal.Signals) -> StatePart:
    def write(handler: Any) -> None:
        # torch sets its own for the workers of a DataLoader, once in a process.
        of_torch = str(getattr(signal.getsignal(number), "__module__", "")).startswith("torch.")
        if (
            handler is not None
            and not of_torch
            and threading.current_thread() is threading.main_thread()
        ):
            signal.signal(number, handler)

    return StatePart(f"the handler of {number.name}", lambda: signal.getsignal(number), write)


def _mask() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def _set_mask(saved: set[int]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, saved)


_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


def _timers() -> list[tuple[float, float] | None]:
    """When each will ring, on the monotonic clock, and how often from then on; None for one that is
    not set."""
    settings = [signal.getitimer(which) for which in _TIMERS]
    return [(time.monotonic() + left, interval) if left else None for left, interval in settings]


def _set_timers(saved: list[tuple[float, float] | None]) -> None:
    for which, timer in zip(_TIMERS, saved, strict=True):
        signal.setitimer(
            which,
            *((0, 0) if timer is None else (max(timer[0] - time.monotonic(), 1e-3), timer[1])),
        )


_LIMITS = {
    name: getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
}


def _limits() -> dict[str, tuple[int, int]]:
    return {name: resource.getrlimit(number) for name, number in _LIMITS.items()}


def _set_limits(saved: dict[str, tuple[int, int]]) -> None:
    lost = []
    for name, before in saved.items():
        if resource.getrlimit(_LIMITS[name]) == before:
            continue
        try:
            resource.setrlimit(_LIMITS[name], before)
        except (ValueError, OSError):
            lost.append(name)
            hard = resource.getrlimit(_LIMITS[name])[1]
            resource.setrlimit(_LIMITS[name], (hard, hard))
    if lost:
        raise PermissionError(f"{', '.join(lost)}: a hard limit that was lowered")


def _scheduling() -> list[Any]:
    return [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)]


def _set_scheduling(saved: list[Any]) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, saved[0])
    os.sched_setaffinity(0, saved[1])


def _identity() -> list[Any]:
    root = Path("/").stat()
    return [os.getresuid(), os.getresgid(), root.st_dev, root.st_ino]


def _set_identity(saved: list[Any]) -> None:
    os.setresuid(-1, saved[0][1], -1)  # first, for only this user may change the group
    os.setresgid(*saved[1])
    os.setresuid(*saved[0])
    if _identity() != saved:
        raise PermissionError("there is another root folder")


def _set_fault_handler(on: bool) -> None:
    if on:
        raise RuntimeError("it was turned off")
    faulthandler.disable()


PATCHABLE = "functions of Python's own modules"

_OWN = tuple(module.__dict__ for module in (builtins, os, os.path, io, time))
"""The names of those modules without which neither the runner nor another trial can work."""

_MODULES = sys.modules


def _patchable() -> list[dict[str, Any]]:
    return [names.copy() for names in (*_OWN, _MODULES)]


def set_patchable(saved: list[dict[str, Any]]) -> None:
    """Put back Python's own functions and modules."""
    # Calls methods of dictionaries only: any built-in function may be one of the trial's.
    # What a trial, or a library that it was the first to import, has added stays.
    sys.modules = _MODULES
    number = 0
    for names in (*_OWN, _MODULES):
        names.update(saved[number])
        number += 1  # noqa: SIM113 - enumerate is a built-in too


PARTS = (
    StatePart(PATCHABLE, _patchable, set_patchable),
    StatePart("user, group and root folder", _identity, _set_identity),
    StatePart("the working folder", _folder, _change_folder),
    StatePart("the umask", _umask, os.umask),
    StatePart("sys.path and sys.argv", _lists, _set_lists),
    StatePart("the hooks of sys and threading", _hooks, _set_hooks),
    StatePart("the interpreter's limits and its garbage collector", _interpreter, _set_interpreter),
    StatePart("warning filters", _warning_filters, _set_warning_filters),
    StatePart("the root logger", _log_settings, _set_log_settings),
    StatePart(
        "locale, decimal context, socket timeout and tempfile folder",
        _library_settings,
        _set_library_settings,
    ),
    StatePart("timers", _timers, _set_timers),  # before the handlers, lest one rings in between
    *map(_handler, _SIGNALS),
    StatePart("the signal mask", _mask, _set_mask),
    StatePart("resource limits", _limits, _set_limits),
    StatePart("priority and CPU affinity", _scheduling, _set_scheduling),
    StatePart("the fault handler", faulthandler.is_enabled, _set_fault_handler),
    *LIBRARY_PARTS,
)
"""All that a trial may change.

Threads of BLAS, OpenMP and torch are set before every trial, see jobs/measure/threads.py.
"""
