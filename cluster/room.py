"""Whether a task fits a node: what it needs, what the node has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cluster import machine
from cluster.machine import GIB
from cluster.resources import NO_GPU, Resources


@dataclass(frozen=True)
class Need:
    """What one worker takes of a node."""

    cpus: int
    gpus: float = 0
    gpu: str | None = None
    """The model wanted."""
    memory_bytes: int = 0
    """Bytes; 0: no claim."""

    @classmethod
    def of(cls, resources: Resources) -> Self:
        """Return the part of a target's resources that takes room on a node."""
        memory = int(resources.mem_gb * GIB) if resources.mem_gb else 0
        return cls(
            resources.cpus,
            resources.gpus,
            None if resources.gpu == NO_GPU else resources.gpu,
            memory,
        )


@dataclass(frozen=True)
class Room:
    """One node, empty."""

    cpus: int
    gpus: int = 0
    models: frozenset[str] = frozenset()
    """Of its GPUs."""
    memory_bytes: int = 0
    """Bytes."""

    @classmethod
    def here(cls) -> Self:
        """Return this machine, as far as this process may use it."""
        gpus = machine.gpus()
        return cls(
            machine.cpus(), len(gpus), frozenset(gpu.model for gpu in gpus), machine.memory_bytes()
        )


def lacking(rooms: Sequence[Room], need: Need) -> str | None:
    """Return why not even one worker fits an empty node; None if it does."""
    if any(Free(room).take(need) for room in rooms):
        return None
    if need.cpus > (most := max((room.cpus for room in rooms), default=0)):
        return f"it asks for {need.cpus} CPUs, and no node has more than {most}"
    if need.memory_bytes > (bytes_ := max((room.memory_bytes for room in rooms), default=0)):
        return (
            f"it asks for {need.memory_bytes / GIB:g} GB of memory, and no node has more than "
            f"{bytes_ / GIB:.1f}"
        )
    if need.gpus > (most := max((room.gpus for room in rooms), default=0)):
        return (
            f"it asks for {need.gpus:g} GPU, and no node has "
            f"{f'more than {most}' if most else 'one'}"
        )
    models = sorted(set().union(*(room.models for room in rooms)))
    if need.gpu is not None and not any(_right_model(room, need) for room in rooms):
        mixed = (
            ", which CUDA_VISIBLE_DEVICES has to tell apart" if need.gpu.lower() in models else ""
        )
        return (
            f"it asks for the GPU model {need.gpu}, and the nodes have "
            f"{', '.join(models) or 'GPUs of unknown model'}{mixed}"
        )
    return "no single node has all that it asks for at once"


class Free:
    """What is left of a node."""

    def __init__(self, room: Room) -> None:
        self.room, self.cpus, self.memory_bytes = room, room.cpus, room.memory_bytes
        self.gpus = [1.0] * room.gpus  # the share that is free of each

    def take(self, need: Need) -> bool:
        """Place one worker, if it fits."""
        if (
            need.cpus > self.cpus
            or need.memory_bytes > self.memory_bytes
            or not _right_model(self.room, need)
        ):
            return False
        if need.gpus:
            each = min(need.gpus, 1.0)  # more than one are whole
            chosen = [gpu for gpu, share in enumerate(self.gpus) if share >= each - 1e-9][
                : max(1, int(need.gpus))
            ]
            if len(chosen) * each < need.gpus - 1e-9:
                return False
            for gpu in chosen:
                self.gpus[gpu] -= each
        self.cpus -= need.cpus
        self.memory_bytes -= need.memory_bytes
        return True


def _right_model(room: Room, need: Need) -> bool:
    """Any GPU of the node will do.

    A node of mixed models will not: its scheduler cannot tell them apart.
    """
    return need.gpu is None or room.models == {need.gpu.lower()}
