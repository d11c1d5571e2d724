"""One sweep of a store: what was submitted, begun, recorded and queued, each read once."""

from __future__ import annotations

from contextlib import suppress
from functools import cached_property
from pathlib import Path

from artifacts.errors import StoreNotReadable, UnknownSweep
from artifacts.index import Index
from artifacts.publish import entries
from artifacts.store import Store
from cluster.backend import Limits, Scheduler
from cluster.open import open_scheduler
from cluster.profile import Profile
from runner.errors import FrozenFileDamaged, NeverSubmitted
from runner.sweep.arrays import Arrays, QueuedArray, arrays_of
from runner.sweep.attempts import unrecorded
from runner.sweep.journal import AttemptStarted, Entry, Follower
from runner.sweep.queue import Answer, QueueView, ask, view_of
from runner.sweep.submission import Submission, submissions


class Sweep:
    """Owns what a command knows of a sweep: a command opens one, and hands it down.

    Everything is read when it is first asked for, and then kept. The scheduler is asked first, then
    the journal is read, then the records: what ends meanwhile is seen as recorded. Nothing here
    writes; ``runner.sweep.reconcile`` does.
    """

    def __init__(self, store: Store, name: str, profile: Profile | None = None) -> None:
        """Open a sweep, which need not be there yet.

        Args:
            store: Where it lies.
            name: Any of its names.
            profile: The scheduler is used as this says; None for what the latest submission froze.
        """
        self.store, self.name = store, store.resolve(name)
        self.folder = store.sweep_folder(self.name)
        self._given_profile = profile
        self._others: dict[str, Scheduler] = {}

    def forget(self) -> None:
        """Read everything anew: from now on the sweep is locked, and others have written to it."""
        for name in (
            "submissions", "arrays", "follower", "journal", "index", "opened", "queue", "limits",
        ):  # fmt: skip
            self.__dict__.pop(name, None)

    def forget_arrays(self) -> None:
        """Read the arrays anew: it was found out what had become of some."""
        self.__dict__.pop("arrays", None)

    def forget_records(self) -> None:
        """Read the records anew: some were written."""
        for name in ("index", "opened"):
            self.__dict__.pop(name, None)

    @cached_property
    def shown_name(self) -> str:
        """Return the name that it has now; ``name`` is its first, which its folders have."""
        return self.store.shown_name(self.name)

    @cached_property
    def submissions(self) -> list[Submission]:
        """Return what was frozen, oldest first."""
        return submissions(self.folder)

    @property
    def submitted(self) -> bool:
        """Return whether it has a submission that this user may read."""
        try:
            return bool(self.submissions)
        except StoreNotReadable:
            return False

    @property
    def latest(self) -> Submission:
        """Return the submission that says which trials the sweep has.

        Raises:
            UnknownSweep, NeverSubmitted: It was never submitted.
        """
        if not self.submissions:
            if self.store.records_folder(self.name).is_dir():
                raise NeverSubmitted(str(self.store.root), (self.shown_name,))
            known = tuple(map(self.store.shown_name, submitted_sweeps(self.store)))
            raise UnknownSweep(self.name, known, self.store.root)
        return self.submissions[-1]

    @property
    def profile(self) -> Profile:
        """Return the profile that the latest submission froze; raises FrozenFileDamaged."""
        return self.latest.profile

    @cached_property
    def arrays(self) -> Arrays:
        """Return what this store gave to a scheduler."""
        return arrays_of(self.store, self.submissions)

    @cached_property
    def follower(self) -> Follower:
        """Goes on where ``journal`` ends."""
        return Follower(self.folder)

    @cached_property
    def journal(self) -> list[Entry]:
        """Return what all workers have noted."""
        return self.follower.new_entries()

    @cached_property
    def index(self) -> Index:
        """Return the records, read after the journal."""
        _ = self.journal
        return self.store.index(self.name)

    @cached_property
    def opened(self) -> dict[tuple[str, int], AttemptStarted]:
        """Return the attempts that have begun and have no record, by trial and number."""
        return unrecorded(self.journal, self.index)

    @cached_property
    def queue(self) -> QueueView:
        """Return what the scheduler says; it is asked only if this store gave it something."""
        answer = Answer()
        if self.arrays.known or self.arrays.damaged:
            answer = ask(self.store, self.arrays, self.store.index(self.name), self.scheduler_of)
            if "journal" in self.__dict__:
                self.journal.extend(self.follower.new_entries())
            self.forget_records()
        return view_of(self.store, answer, self.opened.values(), self.index)

    @cached_property
    def scheduler(self) -> Scheduler:
        """Return the scheduler, opened once; it holds nothing that would have to be closed."""
        return self._open(None)

    @cached_property
    def limits(self) -> Limits:
        """Return how much the scheduler takes now."""
        return self.scheduler.limits()

    def scheduler_of(self, queued: QueuedArray) -> Scheduler:
        """Return the scheduler that has an array, opened once for each cluster."""
        cluster = queued.array.cluster
        if cluster is None:  # an earlier version did not note it
            with suppress(FrozenFileDamaged):
                cluster = queued.submission.profile.slurm.clusters
        if cluster in (None, self.scheduler.cluster):
            return self.scheduler
        if cluster not in self._others:
            self._others[cluster] = self._open(cluster)
        return self._others[cluster]

    def _open(self, cluster: str | None) -> Scheduler:
        profile = self._given_profile
        if profile is None:
            try:
                profile = self.profile
            except FrozenFileDamaged:  # asking needs nothing of it
                profile = Profile(name=str(self.folder), backend="slurm", targets={})
        return open_scheduler(profile, self.store.logs_folder(self.name), cluster=cluster)


def submitted_sweeps(store: Store) -> list[str]:
    """Return the first names of the sweeps that have a submission; without those that are closed to
    this user, in a store that several share."""
    folders = [Path(entry.path) for entry in entries(store.root / "sweeps")]
    return sorted(path.name for path in folders if path.is_dir() and _is_submitted(path))


def _is_submitted(folder: Path) -> bool:
    try:
        return bool(submissions(folder))
    except StoreNotReadable:
        return False
