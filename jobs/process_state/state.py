"""What a trial may change of the process it runs in: everything listed here is put back after it,
so that the next one finds a process like the one before it found.

``PARTS`` is the whole list; docs/custom-workloads.md has it in words. What a workload's module
sets when it is imported stays set for this workload, since a module is imported once. What cannot
be put back is named, and the process is then to be replaced.
"""

from __future__ import annotations

import faulthandler
import os
import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jobs.measure import loaded_torch
from jobs.process_state.descriptors import has_room, open_descriptors
from jobs.process_state.part import StatePart
from jobs.process_state.parts import PARTS, PATCHABLE, set_patchable

_UNKNOWN = object()
"""The value of what cannot be read, or not yet."""

_ENVIRONMENT = os.environ


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
            {part.name: _read(part) for part in PARTS}, os.environ.copy(), open_descriptors()
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
        set_patchable(self._values[PATCHABLE])

    def restore(self) -> list[str]:
        """Make the process so again; what could not be put back, and why."""
        self.undo_patches()
        problems = []
        faulthandler.cancel_dump_traceback_later()
        _restore_environment(self._environment)
        for part in PARTS:
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
        if not has_room(self._descriptors):
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


def _restore_environment(before: Mapping[str, str]) -> None:
    os.environ = _ENVIRONMENT  # noqa: B003 - the very object that was there before
    if os.environ.copy() != before:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


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
