"""cluster.yaml: this site's targets and limits, from plain data; and the profile of a single
machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from cluster import machine
from cluster.checking import check_fields
from cluster.errors import ProfileError, ProfileProblem, UnknownTarget
from cluster.resources import (
    Count,
    Positive,
    Resources,
    SbatchOptions,
    contradictions,
    not_ours_to_give,
)

BUILTIN_NAME = "the built-in profile"

_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # it becomes part of job and folder names


class SlurmSettings(SbatchOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this site's SLURM wants to be used; sbatch options here hold for every target that does
    not set its own."""

    array_parallelism: Count | None = None
    """Tasks of one array at a time (%N); None: as many as there is room for."""
    setup: tuple[str, ...] = ()
    """Shell lines before the task: "module load cuda"."""
    teardown: tuple[str, ...] = ()
    signal_delay_s: Annotated[int, Meta(ge=1)] = 120
    """USR2 this long before the limit."""
    max_submit: Count | None = None
    """Tasks queued at a time, if the site's MaxSubmitJobs is smaller than scontrol tells."""
    max_requeues: Annotated[int, Meta(ge=0)] = 3
    pack: Count | None = None
    """Trials per array task; None: chosen from their expected durations."""
    pack_min: Positive = 15
    """Minutes that a chosen pack should last."""
    python: str | None = None
    """The interpreter on the nodes; None: the one that submits."""
    srun_args: tuple[str, ...] = ()
    use_srun: bool = True
    clusters: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$")] | None = (
        None  # another cluster than this machine's, by name
    )
    stderr_to_stdout: bool = False


class SnapshotSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of the user's code a submit copies into the store."""

    exclude: tuple[str, ...] = ()
    """Patterns of what is not code, as in .gitignore: "assets/", "*.bin"."""
    max_mb: Positive = 100
    """A submit refuses to copy more, in units of 1e6 bytes."""
    max_files: Count = 20_000


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One site: its targets, and how its scheduler wants to be used."""

    name: str
    """What messages call it: its path, as a rule."""
    backend: Literal["auto", "slurm", "ray", "inline"] = "auto"
    targets: dict[str, Resources]
    slurm: SlurmSettings = SlurmSettings()
    snapshot: SnapshotSettings = SnapshotSettings()

    def target(self, name: str) -> Resources:
        """Return the resources of a target, or UnknownTarget."""
        try:
            return self.targets[name]
        except KeyError:
            raise UnknownTarget(name, tuple(self.targets), self.name) from None


def parse(data: Any, name: str = "cluster.yaml") -> Profile:
    """Return the profile that plain data describes.

    Args:
        data: What YAML or JSON gave: the keys ``backend``, ``targets``, ``slurm``, ``snapshot``.
        name: What messages call the profile.

    Raises:
        ProfileError: With every mistake in it, and where.
    """
    values, problems = check_fields(_Sections, data)
    targets = _targets(values, problems)
    slurm, mistakes = check_fields(SlurmSettings, values.get("slurm") or {})
    mistakes += not_ours_to_give(slurm) + _several_times(slurm)
    if slurm.get("mem_per_cpu") is not None and slurm.get("mem_per_gpu") is not None:
        mistakes.append(
            (("mem_per_gpu",), "mem_per_cpu and mem_per_gpu exclude each other: keep one of them")
        )
    problems += [(("slurm", *where), what) for where, what in mistakes]
    snapshot, mistakes = check_fields(SnapshotSettings, values.get("snapshot") or {})
    problems += [(("snapshot", *where), what) for where, what in mistakes]
    if problems:
        raise ProfileError(name, tuple(problems))
    return Profile(
        name=name,
        backend=values.get("backend", "auto"),
        targets=targets,
        slurm=SlurmSettings(**slurm),
        snapshot=SnapshotSettings(**snapshot),
    )


def builtin() -> Profile:
    """Return one machine: ``cpu``, and with GPUs ``gpu`` and one target named after each model
    (``a30``)."""
    targets = {"cpu": Resources(cpus=1)}
    models = [gpu.model for gpu in machine.gpus()]
    if models:
        cpus = max(1, machine.cpus() // len(models))
        targets["gpu"] = Resources(cpus=cpus, gpus=1)
        targets |= {model: Resources(cpus=cpus, gpus=1, gpu=model) for model in models}
    return Profile(name=BUILTIN_NAME, targets=targets)


class _Sections(msgspec.Struct):
    """The top of the file; its sections are checked on their own, so that each mistake has its
    place."""

    targets: Any
    backend: Literal["auto", "slurm", "ray", "inline"] = "auto"
    slurm: Any = None
    snapshot: Any = None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of cluster.yaml, for editors."""
    (sections,), definitions = msgspec.json.schema_components(
        [_Written], ref_template="#/definitions/{name}"
    )
    top = definitions.pop(sections["$ref"].rpartition("/")[2])
    top["properties"]["targets"] |= {
        "propertyNames": {"pattern": f"^{_TARGET_NAME.pattern}$"},
        "minProperties": 1,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **top,
        "title": "cluster.yaml of runner",
        "definitions": definitions,
    }


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """The whole file, as a person may write it."""

    targets: dict[str, Resources | None]
    """What each name stands for; nothing after a name asks for the defaults."""
    backend: Literal["auto", "slurm", "ray", "inline"] = "auto"
    """What runs the trials; auto is slurm where sbatch is found, else ray."""
    slurm: SlurmSettings | None = None
    """How this site's SLURM wants to be used."""
    snapshot: SnapshotSettings | None = None
    """How much of the user's code a submit copies into the store."""


def _several_times(slurm: Mapping[str, Any]) -> list[ProfileProblem]:
    """Options of srun with which each task would run its trials several times."""
    several = re.compile(r"-[nN]\d*|--(nt|nod)[a-z-]*(=.*)?|--multi-prog")
    return [
        (
            ("srun_args", place),
            f"with {argument} each task would run its trials several times; a task is one process "
            "on one node",
        )
        for place, argument in enumerate(slurm.get("srun_args", ()))
        if several.fullmatch(argument) and not argument.startswith(("--nodelist", "--nodefile"))
    ]


def _targets(values: Mapping[str, Any], problems: list[ProfileProblem]) -> dict[str, Resources]:
    """The targets that are right; mistakes of the others are added to ``problems``."""
    written = values.get("targets")
    if not isinstance(written, Mapping) or not written:
        problems.append((("targets",), "expected at least one target, such as cpu: {cpus: 4}"))
        return {}
    targets: dict[str, Resources] = {}
    for name, settings in written.items():
        if not (isinstance(name, str) and _TARGET_NAME.fullmatch(name)):
            problems.append(
                (("targets", name), "a target's name is made of letters, digits, '_', '-' and '.'")
            )
        fields, mistakes = check_fields(Resources, {} if settings is None else settings)
        targets[name] = Resources(**fields)
        mistakes += not_ours_to_give(fields) + contradictions(targets[name], mistakes)
        problems += [(("targets", name, *where), what) for where, what in mistakes]
    return targets
