"""Compare a profile with the live SLURM, without queueing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cluster.errors import (
    BackendUnavailable,
    FolderMisread,
    Infeasible,
    SubmitLimitReached,
    SubmitRefused,
)
from cluster.profile import Profile, SlurmSettings
from cluster.resources import NO_GPU, Resources
from cluster.slurm.accounts import Accounts, read_accounts
from cluster.slurm.dependency import never_satisfied
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.feasible import obstacles
from cluster.slurm.sbatch import rehearse
from cluster.slurm.script import signal_delay_s
from cluster.slurm.site import Site, SitePartition, in_words, read_gpus
from jobs.measure.device import is_model
from runner.doctor.findings import Finding, Level

if TYPE_CHECKING:
    from cluster.slurm.backend import SlurmBackend

_TAKES_NO_JOBS = frozenset({"DRAIN", "INACTIVE"})


def check_cluster(profile: Profile, backend: SlurmBackend) -> list[Finding]:
    """Return for every target what SLURM would refuse or never start.

    The cluster's own facts come first, because they say how to fix it; sbatch answers for the rest.
    """
    try:
        site = backend.site()
    except (BackendUnavailable, SlurmCommandFailed) as error:
        return [
            Finding(
                "",
                Level.REFUSED,
                str(error),
                "check scontrol ping, and SLURM_CONF if there are several clusters",
            )
        ]
    accounts, findings = _ask_accounts(backend, site)
    for name, target in profile.targets.items():
        found = [
            *_never_runs(name, target, profile.slurm, site),
            *_unknown_names(name, target, profile.slurm, accounts),
        ]
        if not found:
            found += _not_now(name, target, profile.slurm, site) or _rehearsed(
                name, target, backend
            )
        findings += [
            *found,
            *_never_starts(name, target, profile.slurm, backend),
            *_contradictions(name, target, profile.slurm),
        ]
        findings += _warned_at_once(name, target, profile.slurm, site)
    return findings


def partition_of(target: Resources, settings: SlurmSettings) -> str:
    """Return the partition that a target asks for; empty for the site's default."""
    return target.partition or settings.partition or ""


def _ask_accounts(backend: SlurmBackend, site: Site) -> tuple[Accounts | None, list[Finding]]:
    if not site.accounting:
        return None, []
    try:
        return read_accounts(backend.commands, site.cluster), []
    except (BackendUnavailable, SlurmCommandFailed) as error:
        what = f"accounts and QOS were not checked: {error}"
        return None, [
            Finding(
                "", Level.PENDING, what, "try again when slurmdbd is back (sacctmgr show assoc)"
            )
        ]


def _never_runs(name: str, target: Resources, settings: SlurmSettings, site: Site) -> list[Finding]:
    try:
        found = obstacles(target, settings, site)
    except Infeasible as error:
        return [Finding(name, Level.REFUSED, error.reason, error.fix)]
    fix = _offers(target, settings, site) if found else ""
    return [Finding(name, Level.REFUSED, what, fix) for what in found]


def _offers(target: Resources, settings: SlurmSettings, site: Site) -> str:
    """Return what the target could ask for instead."""
    chosen = [site.partition(name) for name in partition_of(target, settings).split(",") if name]
    known = [one for one in chosen if one is not None]
    if not chosen or len(known) < len(chosen):
        return "name one of these: " + "; ".join(
            f"{one.name} ({in_words(one)})" for one in site.partitions
        )
    there = "; ".join(f"{one.name} has {in_words(one)}" for one in known)
    elsewhere = [
        one.name
        for one in site.partitions
        if target.gpu and one not in known and _has_model(one, target.gpu)
    ]
    return f"ask for no more than there is: {there}" + (
        f"; {target.gpu} is in {', '.join(elsewhere)}" if elsewhere else ""
    )


def _has_model(partition: SitePartition, model: str) -> bool:
    return any(is_model(model, there) for kind in partition.nodes for there in kind.gpus)


def _not_now(name: str, target: Resources, settings: SlurmSettings, site: Site) -> list[Finding]:
    """Report partitions that are closed for a while, as for maintenance; one that is up is
    enough."""
    chosen = _chosen(target, settings, site)
    if not chosen or any(one.up for one in chosen):
        return []
    if all(one.state in _TAKES_NO_JOBS for one in chosen):
        what = f"{_named(chosen)}: it accepts no jobs now"
        return [
            Finding(
                name,
                Level.REFUSED,
                what,
                "submit when it is open again (sinfo --summarize), or name another partition",
            )
        ]
    what = f"{_named(chosen)}: it accepts jobs, but starts none until it is up again"
    return [
        Finding(
            name,
            Level.PENDING,
            what,
            "submit and let them wait, or name another partition; sinfo --summarize shows its "
            "state",
        )
    ]


def _named(partitions: Sequence[SitePartition]) -> str:
    return ", ".join(f"partition {one.name} is {one.state}" for one in partitions)


def _chosen(target: Resources, settings: SlurmSettings, site: Site) -> list[SitePartition]:
    names = [name for name in partition_of(target, settings).split(",") if name]
    return [one for one in site.partitions if (one.name in names if names else one.default)]


def _never_starts(
    name: str, target: Resources, settings: SlurmSettings, backend: SlurmBackend
) -> list[Finding]:
    dependency = target.dependency or settings.dependency
    reason = never_satisfied(backend.commands, dependency) if dependency else ""
    return (
        [
            Finding(
                name,
                Level.REFUSED,
                f"dependency: {reason}",
                "name a job that can still end that way, or remove dependency",
            )
        ]
        if reason
        else []
    )


def _warned_at_once(
    name: str, target: Resources, settings: SlurmSettings, site: Site
) -> list[Finding]:
    """Report a warning that would come before the task starts. The delay is cut to a limit that the
    target names, but not to the limit of the partition."""
    limits = [one.default_time_min or one.max_time_min for one in _chosen(target, settings, site)]
    limit_min = target.time_min or min(
        (limit for limit in limits if limit is not None), default=None
    )
    if limit_min is None or settings.signal_delay_s < 60 * limit_min:
        return []
    what = f"signal_delay_s is {settings.signal_delay_s} s, and the limit is {60 * limit_min:g} s"
    if target.time_min is None:
        return [
            Finding(
                name,
                Level.REFUSED,
                f"{what}: tasks would be warned as soon as they start",
                "lower signal_delay_s, or set time_min",
            )
        ]
    fix = "lower signal_delay_s, or raise time_min"
    return [
        Finding(
            name,
            Level.WARNING,
            f"{what}: tasks are warned {signal_delay_s(target, settings)} s ahead instead",
            fix,
        )
    ]


def _unknown_names(
    name: str, target: Resources, settings: SlurmSettings, accounts: Accounts | None
) -> list[Finding]:
    """Report an account or a QOS that the accounting does not know; some sites accept them all the
    same, and charge nobody."""
    if accounts is None:
        return []
    account, qos = target.account or settings.account, target.qos or settings.qos
    if account and accounts.qos and account.lower() not in accounts.qos:
        yours = ", ".join(sorted(accounts.qos))
        return [
            Finding(
                name,
                Level.REFUSED,
                f"{accounts.user} has no account '{account}'",
                f"charge one of these: {yours}",
            )
        ]
    if qos and qos.lower() not in accounts.known_qos:
        known = ", ".join(sorted(accounts.known_qos))
        return [
            Finding(
                name,
                Level.REFUSED,
                f"there is no QOS '{qos}'",
                f"ask for one of these, or for none: {known}",
            )
        ]
    charged = (account or accounts.default or "").lower()
    allowed = accounts.qos.get(charged)
    if qos and allowed and qos.lower() not in allowed:
        what = f"account '{charged}' may not use QOS '{qos}'"
        return [
            Finding(
                name,
                Level.REFUSED,
                what,
                f"ask for one of these, or for none: {', '.join(sorted(allowed))}",
            )
        ]
    return []


def _rehearsed(name: str, target: Resources, backend: SlurmBackend) -> list[Finding]:
    try:
        rehearse(backend.commands, backend.script(1, target, name="runner-doctor"), name)
    except FolderMisread as error:
        return [Finding("", Level.REFUSED, str(error), "name another folder with --store")]
    except SubmitLimitReached as error:
        what = f"SLURM was not asked about it, because it queues nothing more now: {error.message}"
        return [
            Finding(
                name,
                Level.PENDING,
                what,
                "try again when some of your jobs have ended (squeue --me)",
            )
        ]
    except SubmitRefused as error:
        return [
            Finding(
                name,
                Level.REFUSED,
                f"SLURM says: {error.message}",
                "correct the target, or the slurm section, in the profile",
            )
        ]
    return []


def _contradictions(name: str, target: Resources, settings: SlurmSettings) -> list[Finding]:
    """Report what SLURM would grant and the trials would not use."""
    gres = target.gres or settings.gres
    granted = read_gpus(gres) if gres else {}
    if granted and not target.wants_gpu:
        what = (
            f"gres asks for {gres}, and gpus for none: SLURM would grant a GPU, and trials "
            "compute on the CPU"
        )
        return [Finding(name, Level.WARNING, what, "add gpus: 1, or remove gres")]
    if target.gpu in (None, NO_GPU):
        return []
    others = _other_models(target.gpu or "", granted)
    if others:
        what = (
            f"gres asks for {', '.join(others)}, and gpu says {target.gpu}: every trial would "
            "end as wrong_device"
        )
        return [
            Finding(
                name,
                Level.WARNING,
                what,
                "name the same model in both, unless SLURM only calls it differently",
            )
        ]
    return []


def _other_models(model: str, granted: Mapping[str, int]) -> list[str]:
    return [there for there in granted if there and not is_model(model, there.replace("_", " "))]
