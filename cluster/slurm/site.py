"""What a site has and allows, from scontrol, sinfo and sacctmgr: for profiles, for checks, and for
cutting plans into arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from cluster.slurm.commands import Commands

_DEFAULT_MAX_ARRAY_SIZE = 1001
_THOUSANDS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


@dataclass(frozen=True)
class NodeKind:
    """Nodes of one partition that are alike; `gpus` counts a node's GPUs by model ("" where the
    site names none)."""

    count: int
    cpus: int
    mem_gb: float
    gpus: dict[str, int]
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class SitePartition:
    """One partition; limits in minutes, None where there is none."""

    name: str
    default: bool
    state: str
    """UP; DOWN: takes jobs and starts none, as for a maintenance; DRAIN, INACTIVE: takes none."""
    max_time_min: float | None
    default_time_min: float | None
    nodes: tuple[NodeKind, ...]

    @property
    def up(self) -> bool:
        """Return whether it starts jobs now."""
        return self.state == "UP"


@dataclass(frozen=True)
class Site:
    """What a cluster says of itself."""

    cluster: str
    version: str
    max_array_size: int
    accounting: bool
    partitions: tuple[SitePartition, ...]

    def partition(self, name: str) -> SitePartition | None:
        """Return the partition of that name."""
        return next((one for one in self.partitions if one.name == name), None)


def read_site(commands: Commands) -> Site:
    """Ask scontrol twice and sinfo once.

    Raises:
        BackendUnavailable: There is no SLURM here.
        SlurmCommandFailed: slurmctld gave no answer.
    """
    pairs = (
        line.partition("=") for line in commands.run("scontrol", "show", "config").splitlines()
    )
    config = {name.strip(): value.strip() for name, _, value in pairs}
    kinds: dict[str, list[NodeKind]] = {}
    listing = commands.run(
        "sinfo",
        "--noheader",
        "--exact",
        "--Format=Partition:|,Nodes:|,CPUs:|,Memory:|,Gres:|,Features:|",
    )
    for line in listing.splitlines():
        fields = [field.strip() for field in line.strip().split("|")[:6]]
        if len(fields) < 6:  # what a site has to tell its users
            continue
        name, count, cpus, memory_mb, gres, features = fields
        known = () if features == "(null)" else tuple(features.split(","))
        kind = NodeKind(
            read_number(count),
            read_number(cpus),
            read_number(memory_mb) / 1024,
            read_gpus(gres),
            known,
        )
        kinds.setdefault(name.rstrip("*"), []).append(kind)
    partitions = []
    for line in commands.run("scontrol", "--oneliner", "show", "partition").splitlines():
        said = dict(word.split("=", 1) for word in line.split() if "=" in word)
        if "PartitionName" in said:
            partitions.append(_partition(said, kinds.get(said["PartitionName"], ())))
    return Site(
        cluster=config.get("ClusterName", ""),
        version=config.get("SLURM_VERSION", ""),
        max_array_size=int(config.get("MaxArraySize", _DEFAULT_MAX_ARRAY_SIZE)),
        accounting=config.get("AccountingStorageType", "").endswith("slurmdbd"),
        partitions=tuple(partitions),
    )


def read_number(written: str) -> int:
    """Return ``128``, ``1K`` or ``1.50K`` (from 1024 on SLURM shortens counts), ``96+`` (of nodes
    that differ, the smallest); 0 for none."""
    match = re.fullmatch(r"([\d.]+)([KMGT]?)\+?", written)
    return int(float(match[1]) * _THOUSANDS[match[2]]) if match else 0


def read_gpus(gres: str) -> dict[str, int]:
    """Return ``gpu:a30:2(S:0-1),gpu:t4:1`` as counts by model; ``gpu:4`` has the model ""."""
    gpus: dict[str, int] = {}
    for item in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *described = item.split(":")
        if kind == "gpu":
            count = int(described.pop()) if described and described[-1].isdecimal() else 1
            model = described[0] if described else ""
            gpus[model] = gpus.get(model, 0) + count
    return gpus


def max_submit(commands: Commands, user: str, account: str | None, qos: str | None) -> int | None:
    """Return how many tasks the user may have in the queue, by association and QOS; None where
    neither says.

    Raises:
        SlurmCommandFailed: The site keeps no accounts, or slurmdbd gave no answer.
    """
    options = ["--noheader", "--parsable2", "show"]
    chosen = [f"account={account}"] if account else []
    text = commands.run(
        "sacctmgr",
        *options,
        "assoc",
        f"user={user}",
        *chosen,
        "format=MaxSubmit,GrpSubmit,QOS,DefaultQOS",
    )
    limits: list[int] = []
    named = {qos} if qos else set()
    for line in text.splitlines():
        if line.count("|") != 3:  # what a site has to tell its users
            continue
        own, of_group, all_qos, default = line.split("|")
        limits += _numbers((own, of_group))
        if not qos:
            named |= {default} if default else set(all_qos.split(",")[:1])
    for line in commands.run(
        "sacctmgr", *options, "qos", "format=Name,MaxSubmitPU,MaxSubmitPA,GrpSubmit"
    ).splitlines():
        name, *values = line.split("|")
        if name in named:
            limits += _numbers(values)
    return min(limits, default=None)


def minutes(written: str) -> float | None:
    """Return SLURM's ``days-hours:minutes:seconds`` in minutes; None for UNLIMITED and NONE."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", written)
    if match is None:
        return None
    days, hours, mins, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + seconds / 60


def in_words(partition: SitePartition) -> str:
    """Return what a partition offers: ``1 node of 8 CPUs, 8 GB, 2 a30; up to 8 h``."""
    nodes = " and ".join(
        f"{kind.count} node{'' if kind.count == 1 else 's'} of {_size(kind)}"
        for kind in partition.nodes
    )
    limit = (
        "no time limit"
        if partition.max_time_min is None
        else f"up to {minutes_in_words(partition.max_time_min)}"
    )
    return f"{nodes or 'no nodes'}; {limit}"


def minutes_in_words(minutes: float) -> str:
    """Return the minutes as a person says them: 90 min, 8 h, 7 days."""
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


def _partition(fields: dict[str, str], nodes: Iterable[NodeKind]) -> SitePartition:
    return SitePartition(
        name=fields["PartitionName"],
        default=fields.get("Default") == "YES",
        state=fields.get("State", "UP"),
        max_time_min=minutes(fields.get("MaxTime", "")),
        default_time_min=minutes(fields.get("DefaultTime", "")),
        nodes=tuple(nodes),
    )


def _numbers(values: Iterable[str]) -> list[int]:
    return [int(value) for value in values if value.isdecimal()]
