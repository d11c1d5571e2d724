"""A first cluster.yaml, from what a SLURM site says of itself: one target for each kind of GPU, and
those without."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from cluster.machine import model_of
from cluster.slurm.accounts import Accounts, read_accounts
from cluster.slurm.commands import Commands
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.site import NodeKind, Site, SitePartition, in_words, max_submit, read_site

DEFAULT_TIME_MIN = 120
CPUS_WITHOUT_GPU = 8  # more trials at a time are worth more than a faster one

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_WORDS_OF_YAML = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True)
class _Draft:
    """One target: its settings in the words of YAML, and what is said above them."""

    name: str
    partition: SitePartition
    settings: dict[str, str]
    remark: str = ""


def draft_here() -> str:
    """Return the profile of the SLURM that answers here.

    Raises:
        BackendUnavailable, SlurmCommandFailed: None does.
    """
    commands = Commands()
    site = read_site(commands)
    accounts, limit = None, None
    if site.accounting:
        with suppress(SlurmCommandFailed):  # slurmdbd is down: the profile can do without
            accounts = read_accounts(commands, site.cluster)
            limit = max_submit(commands, accounts.user, accounts.default, None)
    return draft(site, accounts, limit)


def draft(site: Site, accounts: Accounts | None = None, max_submit: int | None = None) -> str:
    """Return the text of a profile that parses, with comments.

    Args:
        site: What scontrol and sinfo report.
        accounts: The user's, where the site keeps them.
        max_submit: Tasks that the user may have in the queue, if that is limited.
    """
    lines = [
        f"# The profile of cluster {site.cluster or '(without a name)'}, SLURM {site.version}, as "
        "scontrol and sinfo report it.",
        "# What can be written here: docs/cluster-profile.md. `runner doctor` checks it against "
        "the cluster.",
        "backend: slurm",
        "",
        "# A grid names these targets. cpus and mem_gb are a GPU's share of its node, time_min a "
        "first guess: change them as you like.",
        "targets:",
    ]
    drafts = _drafts(site)
    for partition in site.partitions:
        own = [one for one in drafts if one.partition is partition]
        state = ", the default" if partition.default else "" if partition.up else ", down now"
        lines.append(f"  # partition {partition.name}{state}: {in_words(partition)}")
        lines += [line for one in own for line in _target_lines(one)]
    if not drafts:
        lines.append("  cpu: {cpus: 1}                      # no partition has a node")
    return "\n".join([*lines, "", *_slurm_lines(accounts, max_submit)]) + "\n"


def _drafts(site: Site) -> list[_Draft]:
    """One target for each GPU model of each partition, one for its nodes without GPUs."""
    taken: set[str] = set()
    drafts: list[_Draft] = []
    # The default partition gives the short names: it is the one that a person uses most.
    for partition in sorted(site.partitions, key=lambda one: not one.default):
        for model in dict.fromkeys(model for kind in partition.nodes for model in kind.gpus):
            drafts.append(_with_gpu(partition, model, taken))
    without = [
        (one, plain)
        for one in site.partitions
        if (plain := [kind for kind in one.nodes if not kind.gpus])
    ]
    for partition, kinds in sorted(without, key=lambda pair: not pair[0].default):
        drafts.append(_without_gpu(partition, kinds, "cpu", taken))
    if "cpu" not in taken and drafts:  # the grids that ship ask for it, and a GPU node has CPUs
        drafts.append(_without_gpu(drafts[0].partition, drafts[0].partition.nodes, "cpu", taken))
    return drafts


def _with_gpu(partition: SitePartition, slurm_model: str, taken: set[str]) -> _Draft:
    kinds = [kind for kind in partition.nodes if slurm_model in kind.gpus]
    model = model_of(slurm_model.replace("_", " ")) if slurm_model else ""
    settings = {"partition": _yaml(partition.name)}
    if model:
        settings["gpu"] = _yaml(model)
    settings |= {"gpus": "1", "gres": json.dumps(":".join(filter(None, ("gpu", slurm_model, "1"))))}
    settings["cpus"] = str(max(1, min(kind.cpus // sum(kind.gpus.values()) for kind in kinds)))
    settings |= _memory(min(kind.mem_gb / sum(kind.gpus.values()) for kind in kinds)) | _time(
        partition
    )
    remark = ""
    if not model:
        remark = (
            "SLURM names no GPU model here; gpu: MODEL would have every trial check that it "
            "got that one"
        )
        features = sorted({feature for kind in kinds for feature in kind.features})
        if features:
            remark += f". constraint: FEATURE chooses nodes: {', '.join(features)}"
    return _Draft(_name(model or "gpu", partition, taken), partition, settings, remark)


def _without_gpu(
    partition: SitePartition, kinds: Iterable[NodeKind], name: str, taken: set[str]
) -> _Draft:
    cpus = min(CPUS_WITHOUT_GPU, *(kind.cpus for kind in kinds))
    settings = {"partition": _yaml(partition.name), "cpus": str(cpus)}
    settings |= _memory(min(kind.mem_gb * cpus / kind.cpus for kind in kinds)) | _time(partition)
    return _Draft(_name(name, partition, taken), partition, settings)


def _name(wanted: str, partition: SitePartition, taken: set[str]) -> str:
    """The short name, else the partition's, else both: whichever is free."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", partition.name).lstrip("_.-") or "partition"
    choices = (wanted, plain if wanted == "cpu" else f"{wanted}-{plain}", f"{wanted}-{plain}")
    name = next(
        (choice for choice in choices if choice not in taken), f"{wanted}-{plain}-{len(taken)}"
    )
    taken.add(name)
    return name


def _memory(gb: float) -> dict[str, str]:
    """Whole units where there are any."""
    return (
        {"mem_gb": f"{math.floor(gb) if gb >= 1 else math.floor(gb * 100) / 100:g}"}
        if gb >= 0.01
        else {}
    )


def _time(partition: SitePartition) -> dict[str, str]:
    limit = partition.max_time_min
    return {"time_min": f"{DEFAULT_TIME_MIN if limit is None else min(DEFAULT_TIME_MIN, limit):g}"}


def _target_lines(one: _Draft) -> list[str]:
    settings = ", ".join(f"{key}: {value}" for key, value in one.settings.items())
    return [*([f"  # {one.remark}"] if one.remark else []), f"  {_yaml(one.name)}: {{{settings}}}"]


def _slurm_lines(accounts: Accounts | None, max_submit: int | None) -> list[str]:
    own = sorted(accounts.qos) if accounts else []
    if accounts and accounts.default:
        others = [account for account in own if account != accounts.default]
        account = f"  account: {_yaml(accounts.default)}" + (
            f"  # or {', '.join(others)}" if others else ""
        )
    else:
        account = "  # account: lab                    # whom jobs are charged to"
    limit = f"; here it is {max_submit}" if max_submit else ""
    return [
        "# How to use this site's SLURM; any of sbatch's options may stand here or in a target.",
        "slurm:",
        account,
        "  signal_delay_s: 120                 # trials are told to save their work this long "
        "before the limit",
        '  # setup: ["module load cuda"]       # shell lines before every task',
        "  # python: /shared/venv/bin/python   # the interpreter on the nodes, if it is not the "
        "one that submits",
        "  # array_parallelism: 32             # tasks of one array at a time",
        "  # max_submit: 1000                  # tasks in the queue at a time, if the site's own "
        f"limit is not to be used up{limit}",
    ]


def _yaml(text: str) -> str:
    """A word as YAML reads it back as text."""
    return (
        text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS_OF_YAML else json.dumps(text)
    )
