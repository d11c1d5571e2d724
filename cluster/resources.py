"""What one array task needs, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cluster.checking import check_fields
from cluster.errors import InvalidResources, ProfileProblem

NO_GPU = "none"

Positive = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]


class SbatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sbatch's own options, by the names submitit gives them; other backends pass them by.

    They may stand in a target and, for all targets, in the profile's ``slurm`` section; the target's own wins.
    """

    partition: str | None = None
    gres: str | None = None  # "gpu:a30:1", instead of gpus_per_node
    gpus_per_node: Count | str | None = None
    gpus_per_task: Count | str | None = None
    cpus_per_gpu: Count | None = None
    mem_per_cpu: str | None = None  # "4G"
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
    additional: dict[str, str | int | float | bool | None] = {}  # any other option, without its dashes; true for a bare flag


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
        """These resources with some replaced; ``additional`` is added to, key by key.

        Raises:
            InvalidResources: An override is unknown or of the wrong type; all problems are listed.
        """
        values, problems = check_fields(Resources, overrides)
        if "additional" in values:
            values["additional"] = {**self.additional, **values["additional"]}
        merged = msgspec.structs.replace(self, **values)
        problems += contradictions(merged, problems)
        if problems:
            raise InvalidResources(tuple(problems))
        return merged

    @property
    def wants_gpu(self) -> bool:
        """One task is given a GPU, or a share of one."""
        return self.gpus > 0


def contradictions(resources: Resources, mistakes: Sequence[ProfileProblem] = ()) -> list[ProfileProblem]:
    """What each field allows and all together do not; silent where ``mistakes`` already names one of the fields."""
    problems: list[ProfileProblem] = []
    if any(where[-1:] in (("gpu",), ("gpus",)) for where, _ in mistakes):
        return problems
    if resources.gpu == NO_GPU and resources.gpus:
        problems.append((("gpus",), f"gpu: {NO_GPU} says that there is no GPU, and gpus asks for {resources.gpus:g}: drop one of them"))
    if resources.gpu not in (None, NO_GPU) and not resources.gpus:
        problems.append((("gpu",), f"gpu: {resources.gpu} asks for a model and for no GPU: add gpus: 1"))
    if resources.gpus > 1 and resources.gpus != int(resources.gpus):
        problems.append((("gpus",), f"a share of a GPU is below 1, more than one are whole: {resources.gpus:g} is neither"))
    return problems
