"""Run the whole check: ask the scheduler, look at the files, and send a probe to every target."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from artifacts.errors import StoreFull, StoreNotWritable
from cluster.backend import ArrayHandle, Backend
from cluster.errors import ClusterError, Infeasible, SubmitLimitReached
from cluster.open import open_backend, resolve
from cluster.profile import Profile
from cluster.resources import Resources
from cluster.state import State
from runner.doctor import packages
from runner.doctor.files import check_data, check_file_system, check_store, readable_datasets
from runner.doctor.findings import Diagnosis, Finding, Level, TargetCheck
from runner.doctor.judging import LoginNode, judge
from runner.doctor.machine import check_machine, check_packages
from runner.doctor.node import MessageNotVisible
from runner.doctor.probing import MessageFolder, Probe, message_folder, send_probes

if TYPE_CHECKING:
    from cluster.slurm.backend import SlurmBackend

_NOT_ITS_FAULT = frozenset({State.CANCELLED, State.PREEMPTED, State.NODE_FAILED, State.UNKNOWN})

_NEVER = "DependencyNeverSatisfied"  # squeue's reason

_POLL_S = (1.0, 5.0)
"""How often SLURM is asked after the probes: for a minute, and somebody is waiting."""


def diagnose(
    profile: Profile,
    store: Path,
    *,
    data_dir: Path | None = None,
    probe: bool = True,
    timeout_s: float = 60,
    say: Callable[[str], None] = lambda _text: None,
) -> Diagnosis:
    """Check a profile against the cluster or machine that it describes.

    Args:
        store: Where records would go; need not exist.
        data_dir: The folder of the datasets.
        probe: Run a short task on every target; nothing is written otherwise.
        timeout_s: How long a probe may wait, and how long it may run.
        say: Told what takes time, before it does.
    """
    backend = resolve("auto", profile)
    checkup = (_SlurmCheckup if backend == "slurm" else _MachineCheckup)(
        profile, store, data_dir, backend, say
    )
    findings = [*check_store(store), *check_data(data_dir), *checkup.check()]
    refused = {finding.target for finding in findings if finding.level is Level.REFUSED}
    well = {name: target for name, target in profile.targets.items() if name not in refused}
    probes: list[Probe] = []
    if probe and well and "" not in refused:
        found, probes = checkup.probe(well, timeout_s)
        findings += found
    targets = tuple(
        _target_check(name, checkup.partition(target), probes)
        for name, target in profile.targets.items()
    )
    return Diagnosis(
        profile.name,
        backend,
        str(store),
        probe,
        targets,
        tuple(_once(findings, tuple(profile.targets))),
    )


class _MachineCheckup:
    """Checks a machine on which submit itself drives the workers."""

    def __init__(
        self,
        profile: Profile,
        store: Path,
        data_dir: Path | None,
        backend: str,
        say: Callable[[str], None],
    ) -> None:
        self.profile, self.store, self.data_dir, self.backend, self.say = (
            profile,
            store,
            data_dir,
            backend,
            say,
        )

    def check(self) -> list[Finding]:
        """Return what can be found without running anything."""
        return [*check_packages(sys.executable), *check_machine(self.profile)]

    def partition(self, target: Resources) -> str:
        """Return the partition that a target leads to; empty on a single machine."""
        return ""

    def probe(
        self, targets: dict[str, Resources], timeout_s: float
    ) -> tuple[list[Finding], list[Probe]]:
        """Send the probes and judge what became of them."""
        self.say(f"probing {', '.join(targets)}, for {timeout_s:g} s at most")
        try:
            with message_folder(self.store) as messages, self.open(messages) as backend:
                if missing := check_file_system(messages.folder):
                    return missing, []
                probes = send_probes(
                    backend,
                    messages,
                    targets,
                    timeout_s,
                    data_dir=self.data_dir,
                    datasets=readable_datasets(self.data_dir),
                    why_pending=lambda handle: self.why_pending(backend, handle),
                )
                login_node = LoginNode(messages.word, python_version(), packages.versions())
                return [
                    finding
                    for one in probes
                    for finding in self.judged(one, targets[one.target], login_node, messages)
                ], probes
        except (StoreFull, StoreNotWritable) as error:
            return [
                Finding(
                    "",
                    Level.REFUSED,
                    str(error),
                    "name a folder with --store that you may write to",
                )
            ], []
        except ClusterError as error:
            return [
                Finding(
                    "",
                    Level.REFUSED,
                    str(error),
                    f"see whether the {self.backend} backend is installed and its cluster is up",
                )
            ], []

    def open(self, messages: MessageFolder) -> Backend:
        """Open the backend that runs the probes."""
        return open_backend(self.backend, self.profile)

    def why_pending(self, backend: Backend, handle: ArrayHandle) -> str:
        """Return why a task still waits."""
        return "no room beside the others"

    def judged(
        self, probe: Probe, resources: Resources, login_node: LoginNode, messages: MessageFolder
    ) -> list[Finding]:
        """Return the findings of one probe."""
        if probe.answer is not None:
            return judge(probe.target, resources, probe.answer, probe.seen_at, login_node)
        level, what, fix = self.silence(probe, messages)
        return [Finding(probe.target, level, what, fix)]

    def silence(self, probe: Probe, messages: MessageFolder) -> tuple[Level, str, str]:
        """Return what it means that a probe gave no answer: level, observation and fix."""
        if isinstance(probe.refusal, Infeasible):
            return Level.REFUSED, probe.refusal.reason, probe.refusal.fix
        if probe.refusal is not None:
            return Level.REFUSED, str(probe.refusal), "correct the target in the profile"
        node = probe.node or "its node"
        if probe.state is State.PENDING:
            why = f": {probe.detail}" if probe.detail else ""
            return (
                Level.PENDING,
                f"its probe still waits after {probe.timeout_s:g} s{why}",
                "try again later, or wait longer with --timeout",
            )
        if probe.state is State.RUNNING:
            what = f"its probe began on {node} and gave no answer within {probe.timeout_s:g} s"
            return (
                Level.PENDING,
                what,
                "the file system is probably slow: wait longer with --timeout",
            )
        if probe.state is State.COMPLETED:
            return (
                Level.REFUSED,
                f"the answer that {node} wrote to {self.store} does not appear here",
                "keep the store on a file system that both share",
            )
        if probe.code == MessageNotVisible.code:
            return (
                Level.REFUSED,
                f"{node} does not see what was written to {self.store} here",
                "keep the store on a file system that both share",
            )
        what = f"its probe ended on {node} as {probe.state}: {_last_words(probe.detail)}"
        if probe.state is State.OUT_OF_MEMORY:
            return (
                Level.REFUSED,
                what,
                "raise mem_gb: importing torch alone takes more than there is",
            )
        if probe.state in _NOT_ITS_FAULT:
            return Level.PENDING, what, "try again"
        return Level.REFUSED, what, self.fix_of_failure()

    def fix_of_failure(self) -> str:
        """Return what to look at when a probe failed by itself."""
        return f"repair the environment of {sys.executable}, and run the command again"


class _SlurmCheckup(_MachineCheckup):
    """Checks a cluster whose nodes SLURM manages."""

    def check(self) -> list[Finding]:
        from cluster.slurm.backend import SlurmBackend
        from runner.doctor.scheduler import check_cluster

        return check_cluster(self.profile, SlurmBackend(self.profile, self.store))

    def partition(self, target: Resources) -> str:
        from runner.doctor.scheduler import partition_of

        return partition_of(target, self.profile.slurm) or "(default)"

    def open(self, messages: MessageFolder) -> SlurmBackend:
        from cluster.slurm.backend import SlurmBackend

        return SlurmBackend(self.profile, messages.folder, poll_s=_POLL_S)

    def why_pending(self, backend: Backend, handle: ArrayHandle) -> str:
        from cluster.slurm.backend import SlurmBackend
        from cluster.slurm.handle import SlurmHandle

        if not (isinstance(backend, SlurmBackend) and isinstance(handle, SlurmHandle)):
            return ""
        return backend.reports([handle])[handle.id][0].detail

    def silence(self, probe: Probe, messages: MessageFolder) -> tuple[Level, str, str]:
        from cluster.slurm.handle import SlurmHandle

        if isinstance(probe.refusal, SubmitLimitReached):
            return (
                Level.PENDING,
                f"its probe was not queued: {probe.refusal.message}",
                "try again when some of your jobs have ended (squeue --me)",
            )
        if probe.state is State.PENDING and _NEVER in probe.detail:
            return (
                Level.REFUSED,
                f"its probe would wait forever: {probe.detail}",
                "name a job that can still end that way, or remove dependency",
            )
        if isinstance(probe.handle, SlurmHandle) and (line := probe.handle.failed_setup(0)):
            what = f"on {probe.node or 'its node'} {line.removeprefix('runner: ')}"
            return Level.REFUSED, what, "correct that line of setup: in the profile's slurm section"
        ended = probe.state.final and probe.state not in (State.CANCELLED, State.COMPLETED)
        if (
            ended
            and isinstance(probe.handle, SlurmHandle)
            and not any(log.exists() for log in probe.handle.logs(0))
        ):
            why = probe.detail or probe.state
            what = (
                f"{probe.node or 'its node'} could not write a log to {self.store} ({why}): it "
                "does not see that folder"
            )
            return (
                Level.REFUSED,
                what,
                "name a store with --store that lies on a file system shared by the login node and "
                "all nodes",
            )
        return super().silence(probe, messages)

    def fix_of_failure(self) -> str:
        python = self.profile.slurm.python or sys.executable
        return (
            f"check that {python} runs on the node and has runner and its packages: set python: "
            "or setup: in the profile's slurm section"
        )


def _target_check(target: str, partition: str, probes: list[Probe]) -> TargetCheck:
    for one in probes:
        if one.target == target:
            return TargetCheck(
                target, partition, one.node or (one.answer.node if one.answer else ""), one.answer_s
            )
    return TargetCheck(target, partition)


def _once(findings: Iterable[Finding], targets: tuple[str, ...]) -> list[Finding]:
    """Return each finding once: first those about all targets, then by target."""
    order = ("", *targets)
    return sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.target))


def _last_words(text: str) -> str:
    """Return the line of a task's output that says why it failed: the last one that is more than an
    exit code."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if not (line.startswith("srun: ") and "Exited with exit code" in line)
    ]
    return (telling or lines or ["nothing is known about the reason"])[-1]
