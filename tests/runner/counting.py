"""What a command reads and asks, counted in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from artifacts import index
from cluster.slurm.backend import SlurmBackend
from runner.sweep.journal import Follower


@dataclass
class Readings:
    """How often each thing was read, and the schedulers that were opened."""

    entries: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    """Of the journal, by trial, attempt and kind."""
    records: Counter[str] = field(default_factory=Counter)
    """Files of records, by name."""
    schedulers: list[SlurmBackend] = field(default_factory=list)

    @property
    def calls(self) -> Counter[str]:
        """The scheduler's commands."""
        return sum((scheduler.calls for scheduler in self.schedulers), Counter())


def count_readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    """Count from now on."""
    readings = Readings()
    new_entries, load_table, opened = Follower.new_entries, index.load_table, SlurmBackend.__init__

    def counted_entries(self: Follower) -> list[Any]:
        found = new_entries(self)
        readings.entries.update(
            (entry.trial, entry.attempt, type(entry).__name__) for entry in found
        )
        return found

    def counted_table(path: Path, *arguments: Any) -> Any:
        readings.records[path.name] += 1
        return load_table(path, *arguments)

    def counted_opening(self: SlurmBackend, *arguments: Any, **named: Any) -> None:
        opened(self, *arguments, **named)
        readings.schedulers.append(self)

    patches: list[tuple[object, str, Callable[..., Any]]] = [
        (Follower, "new_entries", counted_entries),
        (index, "load_table", counted_table),
        (SlurmBackend, "__init__", counted_opening),
    ]
    for owner, name, counted in patches:
        monkeypatch.setattr(owner, name, counted)
    return readings
