"""The configuration files of the SLURM that the tests start: small, quick, and with one partition
for each thing to be tested."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

MAX_ARRAY_SIZE = 41  # so that a plan of some dozen tasks must be cut
CPUS_PER_NODE = 8  # declared, not owned: the machine may have two
MEMORY_PER_NODE_MB = 8192
MEMORY_CGROUP = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True)
class Node:
    """One slurmd.

    Attributes:
        short: What PARTITIONS calls it.
        name: What SLURM calls it; no other site on this machine has it, because the memory cgroup
            of a job is named after its node and the job's number.
        gpu: The model of its two GPUs, device files without a device.
    """

    short: str
    name: str
    port: int
    gpu: str | None = None


@dataclass(frozen=True)
class Partition:
    """One line PartitionName=…; `extra` in SLURM's own words."""

    name: str
    nodes: tuple[str, ...]
    extra: str = ""


PARTITIONS = (
    Partition("cpu", ("cpu-1", "cpu-2"), "Default=YES MaxTime=1-00:00:00"),
    Partition("gpu-a30", ("a30-1",), "MaxTime=08:00:00"),
    Partition("gpu-t4", ("t4-1",), "MaxTime=08:00:00"),
    # A job of `urgent` takes the node of a job of `preemptible`, which has the grace time to save
    # its work and is queued again: as much as a slow machine needs. `hasty` is for work that cannot
    # be saved, and would wait for the end of it.
    Partition(
        "preemptible",
        ("spare-1",),
        "PriorityTier=1 PreemptMode=REQUEUE GraceTime=300 MaxTime=04:00:00",
    ),
    Partition(
        "hasty", ("spare-1",), "PriorityTier=1 PreemptMode=REQUEUE GraceTime=1 MaxTime=04:00:00"
    ),
    Partition("urgent", ("spare-1",), "PriorityTier=10 PreemptMode=OFF MaxTime=04:00:00"),
)


def memory_is_confined() -> bool:
    """Whether SLURM can set memory limits through the kernel here, as almost every site does.

    SLURM 22.05 without systemd knows the first version of cgroups only; elsewhere the sites of the
    tests poll.
    """
    return os.access(MEMORY_CGROUP / "cgroup.procs", os.W_OK)


def slurm_conf(
    folder: Path, nodes: tuple[Node, ...], controller_port: int, accounting_port: int | None
) -> str:
    """The text of slurm.conf; without an accounting port the site keeps no accounts, as many small
    ones do."""
    host = socket.gethostname().split(".")[0]
    lines = [
        "ClusterName=proving-ground",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={controller_port}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        # a job that is queued again waits until its old credential expires
        f"AuthInfo=socket={folder}/munge.socket,cred_expire=10",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool-%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        "MailProg=/bin/true",
        "MpiDefault=none",
        "ProctrackType=proctrack/linuxproc",
        f"TaskPlugin={'task/cgroup' if memory_is_confined() else 'task/none'}",
        "SlurmdParameters=config_overrides",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "DefMemPerCPU=256",
        "GresTypes=gpu",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        f"JobAcctGatherParams={'NoOverMemoryKill' if memory_is_confined() else 'OverMemoryKill'}",
        f"MaxArraySize={MAX_ARRAY_SIZE}",
        "MaxJobCount=20000",
        "MinJobAge=3600",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        "ReturnToService=2",
        # Quick, not kind: one machine, one user.
        "SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=1,default_queue_depth=1000",
        "KillWait=10",
        "SlurmdTimeout=15",
        "SlurmctldTimeout=30",
        "InactiveLimit=0",
        "MessageTimeout=20",
        "TCPTimeout=2",
    ]
    if accounting_port is None:
        lines.append("AccountingStorageType=accounting_storage/none")
    else:
        lines += [
            "AccountingStorageType=accounting_storage/slurmdbd",
            "AccountingStorageHost=127.0.0.1",
            f"AccountingStoragePort={accounting_port}",
            f"AccountingStoragePass={folder}/munge.socket",
            "AccountingStorageEnforce=associations,limits",
            "AccountingStoreFlags=job_comment",
            "AccountingStorageTRES=gres/gpu",
        ]
    for node in nodes:
        gres = f" Gres=gpu:{node.gpu}:2" if node.gpu else ""
        size = f"CPUs={CPUS_PER_NODE} RealMemory={MEMORY_PER_NODE_MB}{gres}"
        lines.append(
            f"NodeName={node.name} NodeHostname={host} NodeAddr=127.0.0.1 Port={node.port} {size}"
        )
    names = {node.short: node.name for node in nodes}
    for one in PARTITIONS:
        lines.append(
            f"PartitionName={one.name} Nodes={','.join(names[short] for short in one.nodes)} "
            f"{one.extra}"
        )
    return "\n".join(lines) + "\n"


def cgroup_conf() -> str:
    """The text of cgroup.conf: memory is limited, nothing else."""
    return "CgroupPlugin=cgroup/v1\nConstrainRAMSpace=yes\nConstrainCores=no\nConstrainDevices=no\nConstrainSwapSpace=no\n"


def gres_conf(folder: Path, nodes: tuple[Node, ...]) -> str:
    """The text of gres.conf: two device files for each GPU node."""
    return "".join(
        f"NodeName={node.name} Name=gpu Type={node.gpu} "
        f"File={folder}/devices/{node.name}-{number}\n"
        for node in nodes
        if node.gpu
        for number in range(2)
    )


def slurmdbd_conf(folder: Path, port: int) -> str:
    """The text of slurmdbd.conf, for a MariaDB that listens on a socket in the same folder."""
    lines = [
        "DbdHost=localhost",
        f"DbdPort={port}",
        "SlurmUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.socket",
        f"PidFile={folder}/slurmdbd.pid",
        "StorageType=accounting_storage/mysql",
        "StorageHost=localhost",
        "StorageUser=root",
        "StorageLoc=slurm_acct_db",
    ]
    return "\n".join(lines) + "\n"
