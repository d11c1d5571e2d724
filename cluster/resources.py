"""What one array task needs, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cluster.checking import check_fields
from cluster.errors import InvalidResources, ProfileProblem

NO_GPU = "none"

MEMORY_WAYS = ("mem_gb", "mem_per_cpu", "mem_per_gpu")
"""sbatch takes one of them."""
_INSTEAD = dict.fromkeys(MEMORY_WAYS, MEMORY_WAYS) | {"cpus": ("cpus_per_gpu",), "cpus_per_gpu": ()}
"""What a group's word replaces, beside the same word, of its target."""

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class SbatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sbatch's own options, by the names submitit gives them; other backends pass them by.

    They may stand in a target and, for all targets, in the profile's ``slurm`` section; the
    target's own wins.
    """

    partition: str | None = None
    gres: str | None = None
    """Such as "gpu:a30:1", instead of gpus_per_node."""
    gpus_per_node: Count | str | None = None
    gpus_per_task: Count | str | None = None
    cpus_per_gpu: Count | None = None
    mem_per_cpu: str | None = None
    """Such as "4G"."""
    mem_per_gpu: str | None = None
    constraint: str | None = None
    qos: str | None = None
    account: str | None = None
    reservation: str | None = None
    exclude: str | None = None
    nodelist: str | None = None
    exclusive: bool | Literal["user", "mcs", "topo"] | None = None
    dependency: str | None = None
    mail_type: str | None = None
    mail_user: str | None = None
    wckey: str | None = None
    additional: dict[str, str | int | float | bool | None] = {}
    """Any other option, without its dashes; true for a bare flag."""


class Resources(SbatchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one array task is given. ``mem_gb`` counts as SLURM does, in units of 2**30 bytes.

    ``gpu`` is the model wanted (``a30``); ``none`` says that this target has none on purpose.
    """

    cpus: Count = 1
    mem_gb: Positive | None = None
    gpus: Annotated[float, Meta(ge=0)] = 0
    gpu: Annotated[str, Meta(min_length=1)] | None = None
    time_min: Positive | None = None

    def merged(self, overrides: Mapping[str, Any]) -> Resources:
        """Return these resources with some replaced; ``additional`` is added to, key by key.

        Raises:
            InvalidResources: An override is unknown or of the wrong type; all problems are listed.
        """
        values, problems = check_fields(Resources, overrides)
        problems += not_ours_to_give(values)
        replaced = {
            other for name in values for other in _INSTEAD.get(name, ()) if values[name] is not None
        }
        values = dict.fromkeys(replaced) | values
        if "additional" in values:
            values["additional"] = {**self.additional, **values["additional"]}
        merged = msgspec.structs.replace(self, **values)
        problems += contradictions(merged, problems)
        if problems:
            raise InvalidResources(tuple(problems))
        return merged

    @property
    def wants_gpu(self) -> bool:
        """Return one task is given a GPU, or a share of one."""
        return self.gpus > 0


_OURS = {
    "job-name": "the runner finds its jobs by their name",
    "comment": "it is the job's name, by which people find it",
    "array": "which trials a task runs is decided by its place in the array",
    "clusters": "write `clusters: NAME` in the profile's slurm section, so that the jobs are found "
    "there again",
    "output": "'runner logs' reads what a task prints from the store",
    "error": "'runner logs' reads what a task prints from the store",
    "signal": "the warning ahead of the limit is set by signal_delay_s",
    "nodes": "each task would run its trials several times; a task is one process on one node",
    "ntasks": "each task would run its trials several times; a task is one process on one node",
    "ntasks-per-node": "each task would run its trials several times; a task is one process on one "
    "node",
    "ntasks-per-gpu": "each task would run its trials several times; a task is one process on one "
    "node",
    "parsable": "the runner reads what sbatch answers",
    "quiet": "the runner reads what sbatch answers",
    "test-only": "nothing would be queued",
    "wait": "'runner status --wait' waits",
    "wrap": "the runner writes the script",
    "uid": "jobs of another user are not found again",
}
_SHORT = {
    "J": "job-name",
    "M": "clusters",
    "N": "nodes",
    "Q": "quiet",
    "W": "wait",
    "a": "array",
    "e": "error",
    "n": "ntasks",
    "o": "output",
}


def not_ours_to_give(values: Mapping[str, Any]) -> list[ProfileProblem]:
    """Return the options in ``additional`` by which the runner finds and runs its jobs; sbatch also
    takes the beginning of an option's name."""
    problems: list[ProfileProblem] = []
    for written in values.get("additional", {}):
        name = written.strip("-").replace("_", "-")
        for option, why in _OURS.items():
            if option == _SHORT.get(name) or (len(name) > 1 and option.startswith(name)):
                problems.append((("additional", written), f"--{option} cannot be set here: {why}"))
                break
    return problems


def contradictions(
    resources: Resources, mistakes: Sequence[ProfileProblem] = ()
) -> list[ProfileProblem]:
    """Return what each field allows and all together do not; silent where ``mistakes`` already
    names one of the fields."""
    problems: list[ProfileProblem] = []
    asked = [way for way in MEMORY_WAYS if getattr(resources, way) is not None]
    if len(asked) > 1:
        problems.append(
            ((asked[1],), f"{' and '.join(asked)} exclude each other: keep one of them")
        )
    if any(where[-1:] in (("gpu",), ("gpus",)) for where, _ in mistakes):
        return problems
    if resources.gpu == NO_GPU and resources.gpus:
        problems.append(
            (
                ("gpus",),
                f"gpu: {NO_GPU} says that there is no GPU, and gpus asks for {resources.gpus:g}: "
                "drop one of them",
            )
        )
    if resources.gpu not in (None, NO_GPU) and not resources.gpus:
        problems.append(
            (("gpu",), f"gpu: {resources.gpu} asks for a model and for no GPU: add gpus: 1")
        )
    if resources.gpus > 1 and resources.gpus != int(resources.gpus):
        problems.append(
            (
                ("gpus",),
                f"a share of a GPU is below 1, more than one are whole: {resources.gpus:g} is "
                "neither",
            )
        )
    return problems
