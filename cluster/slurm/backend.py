"""Backend ``slurm``: job arrays through submitit; what was queued outlives this process and is
found again by name."""

from __future__ import annotations

import os
import pwd
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from platformdirs import user_cache_path

from cluster.backend import (
    NO_ENVIRONMENT,
    ArrayHandle,
    Limits,
    SchedulerHandle,
    TaskEvent,
    TaskReport,
)
from cluster.errors import (
    BackendClosed,
    Infeasible,
    NotQueued,
    SubmitUnacknowledged,
    UnknownArray,
)
from cluster.profile import Profile
from cluster.resources import Resources
from cluster.slurm.commands import Commands, default_cluster
from cluster.slurm.errors import SlurmCommandFailed
from cluster.slurm.feasible import obstacles
from cluster.slurm.handle import Chunk, SlurmHandle, chunk_name
from cluster.slurm.parse import write_indices
from cluster.slurm.queue import Asked, Queue
from cluster.slurm.sbatch import ArrayExecutor
from cluster.slurm.script import signal_delay_s
from cluster.slurm.site import Site, max_submit, read_site
from cluster.state import State

_LAST_LINES = 30


class SlurmBackend:
    """Queues arrays and asks after them; starts nothing that would have to be closed.

    Args:
        profile: The site's settings.
        folder: For batch scripts, logs and the pickled callables, on a file system that the nodes
            share.
        poll_s: How often ``wait`` asks SLURM: the first pause, and the longest one while nothing
            happens.
        cluster: The cluster to use; None for the one that the profile names, or SLURM_CLUSTERS.
    """

    name = "slurm"

    def __init__(
        self,
        profile: Profile,
        folder: Path | None = None,
        poll_s: tuple[float, float] = (30.0, 180.0),
        cluster: str | None = None,
    ) -> None:
        self.profile, self.folder, self.poll_s = (
            profile,
            (folder or user_cache_path("runner") / "slurm").absolute(),
            poll_s,
        )
        self.cluster = (profile.slurm.clusters or default_cluster()) if cluster is None else cluster
        self.commands = Commands(self.cluster)
        self._queues: dict[str, Queue] = {}
        self._handles: dict[str, SlurmHandle] = {}
        self._reported: dict[str, list[State | None]] = {}
        self._cancelled: set[tuple[str, int]] = set()
        self._site: Site | None = None
        self._max_submit: int | None = None
        self._pause_s, self._ask_at = poll_s[0], 0.0
        self._closed = False

    @property
    def calls(self) -> Counter[str]:
        """Return how often each of SLURM's commands was run."""
        return self.commands.calls

    def submit(
        self,
        call: Callable[[int], None],
        n_tasks: int,
        resources: Resources,
        *,
        name: str = "array",
        warm: Callable[[], None] | None = None,
        environment: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> SlurmHandle:
        """See Backend.submit; cut into array jobs of MaxArraySize.

        ``name`` is the job name, by which ``find`` knows the array again: make it unique to this
        submission.

        Raises:
            Infeasible, SubmitRefused: SLURM does not want it.
            SubmitLimitReached: There is no room for it now.
            SubmitUnacknowledged: No answer came; ``find`` tells whether it is queued.
        """
        if self._closed:
            raise BackendClosed(self.name)
        self.check_room(name, resources)
        executor = self._executor(resources, name, environment)
        pickle = executor.dump(call, warm)
        submitted_at = time.time()
        chunks: list[Chunk] = []
        cluster = self.cluster
        try:
            for first, n in self._cut(n_tasks):
                job, named = executor.queue(pickle, first, n, chunk_name(name, first))
                cluster = named or cluster
                chunks.append(Chunk(job, chunk_name(name, first), first, n))
        except NotQueued as refusal:
            # Part of an array is no use to anyone. After anything else it stays: it is found by its
            # name.
            self._take_back(name, [chunk.job for chunk in chunks], cluster, refusal)
            raise
        handle = SlurmHandle(
            "+".join(one.job for one in chunks),
            name,
            n_tasks,
            folder=str(self.folder),
            chunks=tuple(chunks),
            submitted_at=submitted_at,
            cluster=cluster,
        )
        return self.attach(handle)

    def check_room(self, name: str, resources: Resources) -> None:
        """Raise Infeasible unless a node of the site could ever run one task."""
        problems = obstacles(resources, self.profile.slurm, self.site())
        if problems:
            raise Infeasible(
                name,
                "; ".join(problems),
                "correct the target in the profile (sinfo shows what there is), or map it with "
                "--on",
            )

    def warning_s(self, resources: Resources) -> float | None:
        """See Scheduler.warning_s."""
        if resources.time_min is None:
            return None
        return signal_delay_s(resources, self.profile.slurm)

    def script(
        self,
        n_tasks: int,
        resources: Resources,
        *,
        name: str = "array",
        environment: Mapping[str, str] = NO_ENVIRONMENT,
    ) -> str:
        """Return the batch script that ``submit`` would queue (of the first array job); touches
        neither SLURM nor the disk."""
        executor = self._executor(resources, name, environment)
        return executor.text(
            self.folder / "CALL.pkl",
            0,
            n_tasks if self._site is None else min(n_tasks, self._site.max_array_size),
            name,
        )

    def attach(self, handle: SlurmHandle) -> SlurmHandle:
        """Let ``wait`` tell of an array that another process submitted."""
        if handle.id not in self._handles:
            self._handles[handle.id] = handle
            self._reported[handle.id] = [None] * handle.n_tasks
        return handle

    def find(self, arrays: Mapping[str, int], since: float) -> dict[str, SlurmHandle]:
        """Return the arrays of this cluster that a submit queued and did not live to note down; one
        squeue and at most one sacct call.

        Args:
            arrays: The number of tasks by the name given to ``submit``.
            since: When they may have been submitted at the earliest, seconds since 1970.

        Returns:
            A handle for each array that SLURM knows of; its ``chunks`` are those that were queued.

        Raises:
            SlurmCommandFailed: SLURM gave no answer, so that absence would mean nothing.
        """
        wanted = {
            name: [(chunk_name(name, first), first, n) for first, n in self._cut(n_tasks)]
            for name, n_tasks in arrays.items()
        }
        jobs = self._queue(self.cluster).find(
            [chunk for chunks in wanted.values() for chunk, _, _ in chunks], since
        )
        handles = {}
        for name, pieces in wanted.items():
            chunks = tuple(
                Chunk(jobs[chunk], chunk, first, n) for chunk, first, n in pieces if chunk in jobs
            )
            if chunks:
                job_ids = "+".join(one.job for one in chunks)
                handles[name] = SlurmHandle(
                    job_ids,
                    name,
                    arrays[name],
                    folder=str(self.folder),
                    chunks=chunks,
                    submitted_at=since,
                    cluster=self.cluster,
                )
        return handles

    def reports(self, handles: Iterable[SchedulerHandle]) -> dict[str, list[TaskReport]]:
        """Return what SLURM says of every task, by handle and index: one squeue and at most one
        sacct call for all of them (of each cluster)."""
        own = [self._own(handle) for handle in handles]
        asked: dict[str, list[Asked]] = {}
        for handle in own:
            asked.setdefault(self._cluster_of(handle), []).extend(
                Asked(chunk.job, chunk.name, range(chunk.n), handle.submitted_at)
                for chunk in handle.chunks
            )
        answers = {cluster: self._queue(cluster).ask(jobs) for cluster, jobs in asked.items()}
        reports = {
            handle.id: [
                TaskReport(index, State.UNKNOWN, detail="it was never queued")
                for index in range(handle.n_tasks)
            ]
            for handle in own
        }
        for handle in own:
            answer = answers[self._cluster_of(handle)]
            for chunk in handle.chunks:
                for index in range(chunk.first, chunk.first + chunk.n):
                    reports[handle.id][index] = self._known(
                        handle, index, answer[chunk.job, index - chunk.first]
                    )
        return reports

    def states(self, handle: ArrayHandle) -> list[State]:
        """See Backend.states; one squeue and at most one sacct call."""
        return [report.state for report in self.reports([self._own(handle)])[handle.id]]

    def wait(self, timeout_s: float) -> list[TaskEvent]:
        """See Backend.wait. Asks SLURM rarely: after ``poll_s[0]`` seconds, then ever more seldom
        while nothing happens."""
        end = time.monotonic() + timeout_s
        while outstanding := [
            handle for handle in self._handles.values() if not _all_final(self._reported[handle.id])
        ]:
            time.sleep(max(0.0, min(self._ask_at, end) - time.monotonic()))
            if time.monotonic() < self._ask_at:
                break
            events = [
                event
                for handle_id, reports in self.reports(outstanding).items()
                for event in self._news(handle_id, reports)
            ]
            self._pause_s = self.poll_s[0] if events else min(2 * self._pause_s, self.poll_s[1])
            self._ask_at = time.monotonic() + self._pause_s
            if events:
                return events
        return []

    def cancel(self, handle: ArrayHandle, indices: Sequence[int] | None = None) -> None:
        """See Backend.cancel; one scancel call, which also ends what another process submitted."""
        own = self._own(handle)
        chosen = range(own.n_tasks) if indices is None else indices
        self._cancelled |= {(own.id, index) for index in chosen}
        jobs = []
        for chunk in own.chunks:
            inside = [
                index - chunk.first
                for index in chosen
                if chunk.first <= index < chunk.first + chunk.n
            ]
            if len(inside) == chunk.n:
                jobs.append(chunk.job)
            elif inside:
                jobs.append(f"{chunk.job}_[{write_indices(inside)}]")
        self._scancel(jobs, self._cluster_of(own))
        self._ask_at = 0.0  # there is news

    def limits(self) -> Limits:
        """Return how much can be queued now: one squeue call; scontrol and sacctmgr are asked
        once."""
        if self._max_submit is None:
            self._max_submit = self._ask_max_submit()
        limits = [limit for limit in (self.profile.slurm.max_submit, self._max_submit) if limit]
        return Limits(
            self.site().max_array_size, min(limits, default=None), self._queue(self.cluster).count()
        )

    def site(self) -> Site:
        """Return what the cluster has and allows; asked once."""
        if self._site is None:
            self._site = read_site(self.commands)
        return self._site

    def close(self) -> None:
        """Let go; what is queued stays queued."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _executor(
        self, resources: Resources, name: str, environment: Mapping[str, str]
    ) -> ArrayExecutor:
        executor = ArrayExecutor(self.folder, self.profile.slurm, self.commands)
        executor.prepare(resources, name, environment, self.cluster)
        return executor

    def _cut(self, n_tasks: int) -> list[tuple[int, int]]:
        size = self.site().max_array_size
        return [(first, min(size, n_tasks - first)) for first in range(0, n_tasks, size)]

    def _ask_max_submit(self) -> int:
        """The site's limit for this user; 0 for none."""
        settings = self.profile.slurm
        try:
            return (
                max_submit(
                    self.commands, pwd.getpwuid(os.getuid()).pw_name, settings.account, settings.qos
                )
                or 0
            )
        except (
            SlurmCommandFailed
        ):  # no accounts, no limits of this kind; or nobody to ask, and sbatch will say so itself
            return 0

    def _queue(self, cluster: str) -> Queue:
        if cluster not in self._queues:
            self._queues[cluster] = Queue(self.commands.at(cluster))
        return self._queues[cluster]

    def _cluster_of(self, handle: SlurmHandle) -> str:
        return self.cluster if handle.cluster is None else handle.cluster

    def _take_back(self, name: str, jobs: Sequence[str], cluster: str, refusal: Exception) -> None:
        """Cancel what was queued before the refusal; SubmitUnacknowledged if that cannot be
        done."""
        try:
            if jobs:
                self._scancel(jobs, cluster)
        except SlurmCommandFailed as failure:
            raise SubmitUnacknowledged(
                name,
                f"{refusal}; and the first part of it could not be cancelled: {failure.message}",
            ) from refusal

    def _scancel(self, jobs: Iterable[str], cluster: str) -> None:
        try:
            self.commands.at(cluster).run("scancel", *jobs)
        except SlurmCommandFailed as failure:
            if (
                "Invalid job id" not in failure.message
                and "already completing or completed" not in failure.message
            ):
                raise

    def _own(self, handle: ArrayHandle) -> SlurmHandle:
        if isinstance(handle, SlurmHandle):
            return handle
        raise UnknownArray(handle.id, self.name)

    def _known(self, handle: SlurmHandle, index: int, report: TaskReport) -> TaskReport:
        """A task that we cancelled before it began is listed by nobody."""
        if report.state is State.UNKNOWN and (handle.id, index) in self._cancelled:
            return TaskReport(
                index, State.CANCELLED, detail="cancelled while it waited", job_id=report.job_id
            )
        return replace(report, index=index)

    def _news(self, handle_id: str, reports: list[TaskReport]) -> Iterable[TaskEvent]:
        reported = self._reported[handle_id]
        for index, report in enumerate(reports):
            before, now = reported[index], report.state
            if now is before or (before is not None and before.final):
                continue
            began = now is State.RUNNING or (now.final and report.started_at is not None)
            if began and before is not State.RUNNING:
                yield TaskEvent(handle_id, index, State.RUNNING, node=report.node)
            if now.final:
                yield TaskEvent(
                    handle_id,
                    index,
                    now,
                    self._explained(handle_id, index, report),
                    report.node,
                    code=report.code,
                )
            reported[index] = now

    def _explained(self, handle_id: str, index: int, report: TaskReport) -> str:
        """SLURM's reason and, for a task that failed by itself, what it printed last."""
        if report.state not in (State.FAILED, State.CRASHED):
            return report.detail
        errors = self._handles[handle_id].logs(index)[1]
        printed = errors.read_text(errors="replace").splitlines() if errors.exists() else []
        return "\n".join([report.detail, *printed[-_LAST_LINES:]]).strip()


def _all_final(states: list[State | None]) -> bool:
    return all(state is not None and state.final for state in states)
