"""The arrays of a sweep that were meant for a scheduler, and the ticket that says one got there.

An array is frozen before it is queued and its ticket is written after. A submit that ends in
between leaves an array without a ticket, of which nobody knows whether it is queued: its job name,
which no other array has, tells. Only arrays that this store queued are looked at; those that a copy
took along belong to the original.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from artifacts.identity import is_same_folder
from artifacts.publish import replace as replace_file
from artifacts.publish import translate_read_errors
from artifacts.store import Store
from cluster.backend import SchedulerHandle
from cluster.open import is_local, read_handle
from runner.errors import FrozenFileDamaged
from runner.sweep.attempts import array_name
from runner.sweep.stamp import check_stamp, stamped
from runner.sweep.submission import FrozenArray, Submission, read_array

_TICKET = ".ticket"

_FOLDERS_UP = 2
"""From the logs of a sweep to the store."""

_UNKNOWN_LENGTH = 1000
"""Tasks that an array is asked after whose file cannot be read; those that never were are not in
the answer."""


@dataclass(frozen=True)
class QueuedArray:
    """An array that was meant for a scheduler; ``handle`` is None if it is not known to have got
    there."""

    path: Path
    submission: Submission
    array: FrozenArray
    handle: SchedulerHandle | None


@dataclass(frozen=True)
class Arrays:
    """The arrays that this store gave to a scheduler, oldest first."""

    known: list[QueuedArray]
    damaged: list[QueuedArray]
    """Those whose file cannot be read."""


def arrays_of(store: Store, submissions: Iterable[Submission]) -> Arrays:
    """Return what this store gave to a scheduler."""
    arrays = Arrays([], [])
    ids = store.ids
    for submission in submissions:
        for path in submission.arrays():
            try:
                _, array = read_array(path)
                queued = QueuedArray(path, submission, array, _ticket(path, array))
            except FrozenFileDamaged:
                array = _unreadable(path, submission, ids)
                if not is_local(array.backend):
                    arrays.damaged.append(QueuedArray(path, submission, array, _ticket(path)))
                continue
            if not is_local(array.backend) and _is_ours(store, ids, queued):
                arrays.known.append(queued)
    return arrays


def task_logs(arrays: Arrays, trials: Collection[str]) -> tuple[Path, ...]:
    """Return where the scheduler wrote the output and the errors of the latest task that holds one
    of these trials; nothing if none does."""
    for queued in reversed(arrays.known):
        for index, pack in enumerate(queued.array.packs):
            if queued.handle is not None and any(
                queued.submission.spec(line).trial_id in trials for line, _ in pack
            ):
                return queued.handle.logs(index)
    return ()


def job_name(store: Store, path: Path, array: FrozenArray) -> str:
    """Return the job name of an array: readable, and unlike that of any other of any store."""
    submission = path.parent.parent
    # A store that is older than its id told its arrays apart by the path that it was reached by.
    unique = f"{array.store}/{array_name(store, path)}" if array.store else str(path)
    digest = hashlib.sha256(unique.encode(errors="surrogateescape")).hexdigest()[
        : 12 if array.store else 8
    ]
    return f"{submission.parent.name}.{submission.name}.{path.stem}.{digest}"


def write_ticket(path: Path, handle: SchedulerHandle) -> None:
    """Note that an array is queued."""
    replace_file(path.with_suffix(_TICKET), memoryview(stamped(handle.to_dict())))


def _unreadable(path: Path, submission: Submission, ids: Sequence[str]) -> FrozenArray:
    """What can be said of an array whose file cannot be read."""
    try:
        backend = submission.about.backend
    except FrozenFileDamaged:
        backend = "slurm"
    return FrozenArray(
        target="",
        backend=backend,
        submitted_at=path.lstat().st_mtime,
        resources={},
        trial_time_min=None,
        store=ids[0] if ids else "",
        packs=[[]] * _UNKNOWN_LENGTH,
    )


def _is_ours(store: Store, ids: Collection[str], queued: QueuedArray) -> bool:
    """Whether it was queued from this very store, and not from one that this is a copy of."""
    if queued.array.store:
        return queued.array.store in ids
    if queued.handle is None:
        return True
    root = Path(queued.handle.folder).parents[
        _FOLDERS_UP
    ]  # of a store older than its id the folder of the logs tells
    return root == store.root or not (root / "sweeps").is_dir() or is_same_folder(root, store.root)


def _ticket(path: Path, array: FrozenArray | None = None) -> SchedulerHandle | None:
    """The handle that was noted down; None also for a damaged one, for SLURM knows the array by
    name."""
    ticket = path.with_suffix(_TICKET)
    try:
        with translate_read_errors(ticket):
            data = ticket.read_bytes()
        check_stamp(ticket, data)
        handle = read_handle(msgspec.json.decode(data))
    except (
        FileNotFoundError,
        msgspec.DecodeError,
        ValueError,
        RecursionError,
    ):  # ValueError: bytes that are not UTF-8
        return None
    fits = array is None or handle.n_tasks == len(array.packs)
    return handle if fits and len(Path(handle.folder).parents) > _FOLDERS_UP else None
