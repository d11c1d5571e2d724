"""What a trial may change of the process it runs in: everything listed here is put back after it,
so that the next one finds a process like the one before it found.

``_PARTS`` is the whole list; docs/custom-workloads.md has it in words. What a workload's module
sets when it is imported stays set for this workload, since a module is imported once. What cannot
be put back is named, and the process is then to be replaced.
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
import random
import resource
import signal
import socket
import stat
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.measure import loaded_torch

_ROOM = 64
"""Descriptors that the runner wants to find free: a record and what goes with it needs a few."""

_KERNEL_DEVICES = 1
"""Major number of /dev/null and its siblings; other character devices may be a GPU's, which is no
leak."""

_UNKNOWN = object()
"""The value of what cannot be read, or not yet."""


@dataclass(frozen=True)
class StatePart:
    """One thing that a trial may change."""

    name: str
    """For people."""
    read: Callable[[], Any]
    """Its present value."""
    write: Callable[[Any], object] | None
    """Puts a value back; None where only a new process can."""


class ProcessState:
    """What the process was like at one moment."""

    def __init__(
        self, values: Mapping[str, Any], environment: Mapping[str, str], descriptors: frozenset[int]
    ) -> None:
        self._values, self._environment, self._descriptors = values, environment, descriptors

    @classmethod
    def now(cls) -> ProcessState:
        """Read it."""
        return cls(
            {part.name: _read(part) for part in _PARTS}, os.environ.copy(), _open_descriptors()
        )

    def changed_to(self, later: ProcessState) -> Changes:
        """Return what is different in a later state."""
        return Changes(
            {
                name: value
                for name, value in later._values.items()
                if not _alike(value, self._values[name])
            },
            {
                name: later._environment.get(name)
                for name in self._environment.keys() | later._environment.keys()
                if later._environment.get(name) != self._environment.get(name)
            },
        )

    def changed_by(self, changes: Changes) -> ProcessState:
        """Return this state with some changes made to it."""
        variables = {**self._environment, **changes.environment}
        environment = {name: value for name, value in variables.items() if value is not None}
        return ProcessState({**self._values, **changes.values}, environment, self._descriptors)

    def undo_patches(self) -> None:
        """Put back Python's own functions and modules, which whatever else is done here needs."""
        _set_patchable(self._values[_PATCHABLE])

    def restore(self) -> list[str]:
        """Make the process so again; what could not be put back, and why."""
        self.undo_patches()
        problems = []
        faulthandler.cancel_dump_traceback_later()
        _restore_environment(self._environment)
        for part in _PARTS:
            before = self._values[part.name]
            if before is _UNKNOWN or _alike(_read(part), before):
                continue
            try:
                if part.write is None:
                    raise RuntimeError("only a new process is without it")
                part.write(before)
            except Exception as error:
                problems.append(
                    f"{part.name} cannot be changed back ({error or type(error).__name__})"
                )
        if not _has_room(self._descriptors):
            problems.append("it holds nearly as many open files as it may")
        _seed_anew()
        return problems


@dataclass(frozen=True)
class Changes:
    """What differs between two states; of the environment by variable, None for one that is
    gone."""

    values: Mapping[str, Any]
    environment: Mapping[str, str | None]

    def __bool__(self) -> bool:
        return bool(self.values or self.environment)


@contextmanager
def standard_streams_kept() -> Iterator[None]:
    """Put stdin, stdout and stderr back at the end of the block, as objects of Python and as
    descriptors."""
    objects = {name: getattr(sys, name) for name in _STREAMS}
    copies = {number: _copy(number) for number in range(3)}
    try:
        yield
    finally:
        for number, copy in copies.items():
            _restore_descriptor(number, copy)
        for name, stream in objects.items():
            setattr(sys, name, _usable(name, stream))


def _copy(number: int) -> tuple[int, os.stat_result] | None:
    """A second descriptor of the same file; None where the first is closed."""
    try:
        return os.dup(number), os.fstat(number)
    except OSError:
        return None


def _restore_descriptor(number: int, copy: tuple[int, os.stat_result] | None) -> None:
    if copy is None:
        return
    with suppress(OSError):
        # The trial may have closed the copy too, and opened something else under its number.
        if os.path.samestat(os.fstat(copy[0]), copy[1]):
            if not _is_file(number, copy[1]):
                os.dup2(copy[0], number)
            os.close(copy[0])
            return
    if not _is_file(number, copy[1]):
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)


def _is_file(number: int, expected: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(number), expected)
    except OSError:
        return False


def _usable(name: str, stream: Any) -> Any:
    """The stream, or another on the same descriptor if the trial closed or detached it."""
    try:
        if stream is None or not stream.closed:
            return stream
    except ValueError:  # detached
        pass
    number = _STREAMS[name]
    try:
        return open(
            number,
            "w" if number else "r",
            encoding="utf-8",
            errors="backslashreplace",
            closefd=False,
        )
    except OSError:
        return None


_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2, "__stdin__": 0, "__stdout__": 1, "__stderr__": 2}

_ENVIRONMENT = os.environ


def _restore_environment(before: Mapping[str, str]) -> None:
    os.environ = _ENVIRONMENT  # noqa: B003 - the very object that was there before
    if os.environ.copy() != before:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


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


_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


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


def _set_fault_handler(on: bool) -> None:
    if on:
        raise RuntimeError("it was turned off")
    faulthandler.disable()


_PATCHABLE = "functions of Python's own modules"

_OWN = tuple(module.__dict__ for module in (builtins, os, os.path, io, time))
"""The names of those modules without which neither the runner nor another trial can work."""

_MODULES = sys.modules


def _patchable() -> list[dict[str, Any]]:
    return [names.copy() for names in (*_OWN, _MODULES)]


def _set_patchable(saved: list[dict[str, Any]]) -> None:
    # Calls methods of dictionaries only: any built-in function may be one of the trial's.
    # What a trial, or a library that it was the first to import, has added stays.
    sys.modules = _MODULES
    number = 0
    for names in (*_OWN, _MODULES):
        names.update(saved[number])
        number += 1  # noqa: SIM113 - enumerate is a built-in too


_PARTS = (
    StatePart(_PATCHABLE, _patchable, _set_patchable),
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
"""All that a trial may change.

Threads of BLAS, OpenMP and torch are set before every trial, see jobs/measure/threads.py.
"""


def _read(part: StatePart) -> Any:
    try:
        return part.read()
    except Exception:
        return _UNKNOWN


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are the same; objects of the user's, whose == may be anything, only if
    they are one object."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    return isinstance(one, _PLAIN) and bool(one == other)


_PLAIN = (bool, int, float, str, dict, set)


def _seed_anew() -> None:
    """Seed the global generators as a new process does, so that no trial's numbers depend on the
    seed of the one before."""
    random.seed()
    numpy = sys.modules.get("numpy.random")
    if numpy is not None and hasattr(numpy, "seed"):
        numpy.seed()
    torch = loaded_torch.module()
    if torch is not None:
        torch.default_generator.seed()
        gpu = loaded_torch.cuda()
        if gpu is not None:
            with suppress(Exception):  # after a fault it answers nothing
                gpu.seed_all()


def _open_descriptors() -> frozenset[int]:
    try:
        return frozenset(map(int, os.listdir("/proc/self/fd")))  # noqa: PTH208
    except OSError:
        return frozenset()


def _has_room(before: frozenset[int]) -> bool:
    """Whether enough descriptors are free; if not, some are freed, those with the highest numbers
    that were not open before."""
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = min(_ROOM, limit // 8)
    if _lowest_free(limit) < limit - room:
        return True
    gc.collect()
    if _lowest_free(limit) < limit - room:
        return True
    if limit + room <= hard or hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit + room, hard))
        return False
    freed = 0
    for number in range(limit - 1, 2, -1):
        if number not in before and _is_leak(number):
            os.close(number)
            freed += 1
            if freed == room:
                break
    return False


def _lowest_free(limit: int) -> int:
    try:
        number = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return limit
    os.close(number)
    return number


def _is_leak(number: int) -> bool:
    try:
        found = os.fstat(number)
    except OSError:
        return False
    return not stat.S_ISCHR(found.st_mode) or os.major(found.st_rdev) == _KERNEL_DEVICES
