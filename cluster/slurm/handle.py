"""What a submit to SLURM leaves in the hands of its caller: plain data, as good in another
process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from cluster.backend import SchedulerHandle
from cluster.slurm.script import failed_setup


@dataclass(frozen=True)
class Chunk:
    """One SLURM array job: the tasks ``first`` … ``first + n - 1`` of a handle, as its array
    indices 0 … ``n - 1``."""

    job: str
    name: str
    first: int
    n: int


@dataclass(frozen=True)
class SlurmHandle(SchedulerHandle):
    """A submitted array, as plain data: ``to_dict`` and ``from_dict`` carry it to another
    process."""

    chunks: tuple[Chunk, ...] = ()
    submitted_at: float = 0.0
    """Seconds since 1970."""
    cluster: str | None = None
    """That has it, empty for the one of the machine it was submitted from; None where nobody wrote
    it down."""

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SlurmHandle:
        """Return what ``to_dict`` gave.

        Raises:
            msgspec.ValidationError: It is something else.
            ValueError: Its chunks are not the whole array, each task once.
        """
        handle = msgspec.convert(data, cls)
        tasks = [
            chunk.first + index
            for chunk in handle.chunks
            for index in range(min(chunk.n, handle.n_tasks + 1))
        ]
        if sorted(tasks) != list(range(handle.n_tasks)):
            raise ValueError(f"the chunks of {handle.name} are not its {handle.n_tasks} tasks")
        return handle

    @property
    def cancel_command(self) -> str:
        """Return what a person types to cancel all of it."""
        return f"scancel {' '.join(chunk.job for chunk in self.chunks)}"

    def logs(self, index: int) -> tuple[Path, Path]:
        """Return where a task's output and its errors are; KeyError for a task that was never
        queued."""
        chunk = self.chunk_of(index)
        # as submitit names them, which only submitting needs to import
        task = f"{chunk.job}_{index - chunk.first}_0"
        return Path(self.folder) / f"{task}_log.out", Path(self.folder) / f"{task}_log.err"

    def failed_setup(self, index: int) -> str:
        """See SchedulerHandle.failed_setup; empty also where there is no output."""
        for log in self.logs(index):
            with suppress(OSError):
                if line := failed_setup(log.read_text(errors="replace")):
                    return line
        return ""

    def chunk_of(self, index: int) -> Chunk:
        """Return the array job that a task is in; KeyError for a task that was never queued."""
        for chunk in self.chunks:
            if chunk.first <= index < chunk.first + chunk.n:
                return chunk
        raise KeyError(index)


def chunk_name(name: str, first: int) -> str:
    """Return the job name of a chunk: the array's own for the first one. squeue separates names by
    commas."""
    return name.replace(",", ";") + (f"+{first}" if first else "")
