"""From the name of a backend to the backend; nothing of one that is not opened is imported."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeGuard, get_args

from cluster.backend import LocalBackend, Scheduler, SchedulerHandle
from cluster.errors import Infeasible, UnknownBackend
from cluster.profile import Profile
from cluster.resources import Resources
from cluster.room import Need, Room, lacking

LocalName = Literal["ray", "inline"]
BackendName = Literal["slurm", LocalName]
BACKENDS: tuple[BackendName, ...] = ("slurm", "ray", "inline")


def is_local(name: str) -> TypeGuard[LocalName]:
    """Return whether tasks of the backend of that name end with the process that drives them; every
    other backend is a scheduler."""
    return name in get_args(LocalName)


def resolve(name: str, profile: Profile) -> BackendName:
    """Return which backend a name means here, without starting it.

    ``auto`` is the profile's own; if it has none, slurm where sbatch is found, else ray.

    Raises:
        UnknownBackend: There is none of that name.
    """
    if name == "auto":
        name = profile.backend
    if name == "auto":
        name = "slurm" if shutil.which("sbatch") else "ray"
    for known in BACKENDS:
        if name == known:
            return known
    raise UnknownBackend(name, ("auto", *BACKENDS))


def open_backend(
    name: str, profile: Profile, folder: Path | None = None
) -> LocalBackend | Scheduler:
    """Return the backend of that name, as ``resolve`` reads it.

    Args:
        profile: The site's settings.
        folder: For a scheduler's batch scripts, logs and pickled callables; the nodes must share
            it.

    Raises:
        UnknownBackend: There is none of that name.
    """
    match resolve(name, profile):
        case "slurm":
            return open_scheduler(profile, folder)
        case local:
            return open_local(local)


def open_local(name: LocalName) -> LocalBackend:
    """Return the backend of that name, which needs no profile."""
    if name == "ray":
        from cluster.ray.backend import RayBackend

        return RayBackend()
    from cluster.inline import InlineBackend

    return InlineBackend()


def open_scheduler(
    profile: Profile, folder: Path | None = None, cluster: str | None = None
) -> Scheduler:
    """Return SLURM, as this site wants it used.

    Args:
        profile: The site's settings.
        folder: For batch scripts, logs and pickled callables; the nodes must share it.
        cluster: By name; None for the one that the profile or the user's environment names.
    """
    from cluster.slurm.backend import SlurmBackend

    return SlurmBackend(profile, folder, cluster=cluster)


def read_handle(data: Mapping[str, Any]) -> SchedulerHandle:
    """Return the handle that its ``to_dict`` wrote down, also in another process.

    Raises:
        ValueError, msgspec.ValidationError: It is something else, or not all of the array.
    """
    from cluster.slurm.handle import SlurmHandle

    return SlurmHandle.from_dict(data)


def check_room_here(name: BackendName, array: str, resources: Resources) -> None:
    """See that this machine could ever run one task, where it is this machine that a local backend
    would run it on.

    Args:
        name: Of the backend.
        array: What the error calls the tasks.

    Raises:
        Infeasible: It could not.
    """
    if name == "slurm" or (name == "ray" and os.environ.get("RAY_ADDRESS", "local") != "local"):
        return
    if reason := lacking([Room.here()], Need.of(resources)):
        raise Infeasible(
            array,
            reason,
            "ask for less in its resources, or map it to a target that fits with --on",
        )
