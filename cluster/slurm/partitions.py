"""A cluster's partitions in words, for the profile that `init --slurm` writes and for the cures
that `doctor` names."""

from __future__ import annotations

from cluster.slurm.site import NodeKind, SitePartition


def in_words(partition: SitePartition) -> str:
    """What a partition offers: ``1 node of 8 CPUs, 8 GB, 2 a30; up to 8 h``."""
    nodes = " and ".join(
        f"{kind.count} node{'' if kind.count == 1 else 's'} of {_size(kind)}"
        for kind in partition.nodes
    )
    limit = (
        "no time limit"
        if partition.max_time_min is None
        else f"up to {duration(partition.max_time_min)}"
    )
    return f"{nodes or 'no nodes'}; {limit}"


def duration(minutes: float) -> str:
    """Minutes as a person says them: 90 min, 8 h, 7 days."""
    for unit, name in ((1440, "days"), (60, "h")):
        if minutes >= 2 * unit and minutes % unit == 0:
            return f"{minutes / unit:g} {name}"
    return f"{minutes:g} min"


def _size(kind: NodeKind) -> str:
    gpus = [
        f"{count} {model or 'GPU' + ('s' if count > 1 else '')}"
        for model, count in kind.gpus.items()
    ]
    return ", ".join([f"{kind.cpus} CPUs", f"{kind.mem_gb:.0f} GB", *gpus])
