"""What a submit to SLURM leaves in the hands of its caller: plain data, as good in another
process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from cluster.backend import ArrayHandle


@dataclass(frozen=True)
class Chunk:
    """One SLURM array job: the tasks ``first`` … ``first + n - 1`` of a handle, as its array
    indices 0 … ``n - 1``."""

    job: str
    name: str
    first: int
    n: int


@dataclass(frozen=True)
class SlurmHandle(ArrayHandle):
    """A submitted array, as plain data: ``to_dict`` and ``from_dict`` carry it to another process.

    Attributes:
        folder: Where its batch scripts and logs are.
        submitted_at: Seconds since 1970.
        cluster: That has it, empty for the one of the machine it was submitted from; None where
            nobody wrote it down.
    """

    chunks: tuple[Chunk, ...] = ()
    folder: str = ""
    submitted_at: float = 0.0
    cluster: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SlurmHandle:
        """What ``to_dict`` gave; msgspec.ValidationError if it is something else."""
        return msgspec.convert(data, cls)

    def logs(self, index: int) -> tuple[Path, Path]:
        """Where a task's output and its errors are; KeyError for a task that was never queued."""
        chunk = self.chunk_of(index)
        # as submitit names them, which only submitting needs to import
        task = f"{chunk.job}_{index - chunk.first}_0"
        return Path(self.folder) / f"{task}_log.out", Path(self.folder) / f"{task}_log.err"

    def chunk_of(self, index: int) -> Chunk:
        """The array job that a task is in; KeyError for a task that was never queued."""
        for chunk in self.chunks:
            if chunk.first <= index < chunk.first + chunk.n:
                return chunk
        raise KeyError(index)


@dataclass(frozen=True)
class Limits:
    """How much can be queued.

    Attributes:
        max_array_size: Tasks of one array.
        max_submit: Tasks that the user may have in the queue, the profile's or the site's, the
            smaller one; None: no limit.
        queued: Tasks that the user has in the queue now, whoever put them there.
    """

    max_array_size: int
    max_submit: int | None
    queued: int

    @property
    def room(self) -> int | None:
        """Tasks that can be queued now; None: no limit."""
        return None if self.max_submit is None else max(0, self.max_submit - self.queued)


def chunk_name(name: str, first: int) -> str:
    """The job name of a chunk: the array's own for the first one. squeue separates names by
    commas."""
    return name.replace(",", ";") + (f"+{first}" if first else "")
