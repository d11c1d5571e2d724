"""What can go wrong with records and their store; every message says how to fix it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import dataclass_transform


@dataclass_transform()
@dataclass(eq=False, repr=False)
class PlainError(Exception):
    """The shape of an error that is built from plain values.

    A new error is its annotated fields and a ``__str__`` that names the place, what is wrong and
    how to fix it. It is built from its fields, compares by them, and unpickles.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(eq=False, repr=False)(cls)

    def __post_init__(self) -> None:
        self.args = tuple(getattr(self, field.name) for field in fields(self))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.args == self.args

    def __hash__(self) -> int:
        return hash(type(self))


class ArtifactsError(PlainError):
    """Any error of this floor."""


class BadColumn(ArtifactsError):
    """A value that does not fit its column, or a column that the record does not have."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"column '{self.name}': {self.reason}"


class BadName(ArtifactsError):
    """A sweep's or trial's name that cannot be a file name inside the store."""

    kind: str
    name: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.name!r} cannot name a {self.kind} of the store: use {self.allowed}"


class RecordExists(ArtifactsError):
    """The attempt has a record already; it was left as it is."""

    path: Path

    def __str__(self) -> str:
        return (
            f"{self.path} exists already, and records are never overwritten: run the trial "
            "under the next attempt number"
        )


class StoreFull(ArtifactsError):
    """The disk or the quota is used up; nothing was published."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"no space left to write {self.path} ({self.reason}): free some space or raise the "
            "quota, then submit again"
        )


class StoreNotWritable(ArtifactsError):
    """The store cannot be written to; nothing was published."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"cannot write {self.path} ({self.reason}): check that its file system is mounted "
            "and that you may write there, or choose another store"
        )


class StoreNotReadable(ArtifactsError):
    """Something in the store cannot be read: a colleague's umask keeps others out, or it is not
    what it should be."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"cannot read {self.path} ({self.reason}): ask its owner to let you read it (chmod -R "
            "g+rX), check that its file system is mounted, or restore a copy"
        )


class UnreadableRecord(ArtifactsError):
    """A record file that is damaged, foreign, or written by a newer runner."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} is not a readable record ({self.reason}): move it out of the store, "
            "or restore a good copy"
        )


class NewerFormat(ArtifactsError):
    """A file of the store that a newer runner wrote; this one would misread it."""

    path: Path
    found: int
    known: int

    def __str__(self) -> str:
        return (
            f"{self.path} has format {self.found}, and this runner reads formats up to "
            f"{self.known}: a newer runner wrote it, so use that version here, or another store"
        )


class UnknownSweep(ArtifactsError):
    """The store has no such sweep."""

    name: str
    known: tuple[str, ...]
    store: Path

    def __str__(self) -> str:
        has = f"it has {', '.join(self.known)}" if self.known else "it has none yet"
        return (
            f"{self.store} has no sweep '{self.name}' ({has}): name one of these, or another "
            "store with --store"
        )


class NameTaken(ArtifactsError):
    """A sweep was to get a name that another one has."""

    name: str
    sweep: str
    store: Path

    def __str__(self) -> str:
        also = "" if self.name == self.sweep else f": it is another name of '{self.sweep}'"
        return f"{self.store} has a sweep '{self.name}' already{also}; choose another name"


class UnknownTrial(ArtifactsError):
    """No record of such a trial."""

    prefix: str
    sweeps: tuple[str, ...]
    store: Path

    def __str__(self) -> str:
        if self.prefix in self.sweeps:
            return (
                f"'{self.prefix}' is a sweep, not a trial: 'runner collect {self.prefix} "
                "--trials' lists the ids of its trials"
            )
        where = f"in {', '.join(self.sweeps)}" if self.sweeps else "in any sweep"
        return (
            f"{self.store} has no record of a trial '{self.prefix}' {where}: 'runner collect "
            "--trials' lists the trials that have a record"
        )


class AmbiguousTrial(ArtifactsError):
    """Several trials have ids that start in this way."""

    prefix: str
    trials: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.trials[:8]) + (", …" if len(self.trials) > 8 else "")
        return (
            f"{len(self.trials)} trials start with '{self.prefix}' ({shown}): give more characters "
            "of the id"
        )


class UnknownFormat(ArtifactsError):
    """A table cannot be written under this extension."""

    path: Path
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"the name of {self.path} does not say its format: end it in {', '.join(self.known)}"
