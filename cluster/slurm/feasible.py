"""What a site could never run: SLURM itself queues much of it, to wait for ever."""

from __future__ import annotations

from cluster.profile import SlurmSettings
from cluster.resources import Resources
from cluster.slurm.script import parameters
from cluster.slurm.site import NodeKind, Site, SitePartition, read_gpus


def obstacles(resources: Resources, settings: SlurmSettings, site: Site) -> list[str]:
    """Return why no node of the site can ever run one task of this size; empty if one can, though
    perhaps not now.

    A task may name several partitions: one that can run it is enough.
    """
    wanted = parameters(resources, settings, "", 1, {})
    names = (
        str(wanted["partition"]).split(",")
        if wanted["partition"]
        else [one.name for one in site.partitions if one.default]
    )
    if not names:
        return ["the site has no default partition, and the target names none"]
    problems: list[str] = []
    for name in names:
        partition = site.partition(name)
        if partition is None:
            problems.append(
                f"there is no partition '{name}' (there are "
                f"{', '.join(one.name for one in site.partitions)})"
            )
            continue
        found = _of_partition(
            partition,
            resources,
            wanted["gres"] or _as_gres(wanted["gpus_per_node"] or wanted["gpus_per_task"]),
        )
        if not found:
            return []
        problems += found
    return problems


def _of_partition(partition: SitePartition, resources: Resources, gres: str) -> list[str]:
    problems = []
    if partition.max_time_min is not None and (resources.time_min or 0) > partition.max_time_min:
        problems.append(
            f"time_min {resources.time_min:g} is above the MaxTime of partition {partition.name}, "
            f"{partition.max_time_min:g}"
        )
    lacking = [_lacking(kind, resources, gres) for kind in partition.nodes]
    if all(lacking):  # also where it has no nodes
        nearest = min(lacking, key=len, default=["it has no nodes"])
        problems.append(
            f"no node of partition {partition.name} is large enough: {', '.join(nearest)}"
        )
    return problems


def _lacking(kind: NodeKind, resources: Resources, gres: str) -> list[str]:
    lacking = []
    if resources.cpus > kind.cpus:
        lacking.append(f"{kind.cpus} of {resources.cpus} CPUs")
    if (resources.mem_gb or 0) > kind.mem_gb:
        lacking.append(f"{kind.mem_gb:g} of {resources.mem_gb:g} GB")
    for model, count in read_gpus(gres).items():
        there = kind.gpus.get(model, 0) if model else sum(kind.gpus.values())
        if count > there:
            lacking.append(f"{there} of {count} GPUs" + (f" of model {model}" if model else ""))
    return lacking


def _as_gres(gpus: int | str | None) -> str:
    """``--gpus-per-node=a30:2`` in the words of gres."""
    return f"gpu:{gpus}" if gpus else ""
