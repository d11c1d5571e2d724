"""What can go wrong on the top floor; every message says how to fix it."""

from __future__ import annotations

from typing import ClassVar

from artifacts.errors import PlainError
from cluster.errors import TaskError


class RunnerError(PlainError):
    """Root of what `runner` itself reports; printed as one `error:` message, without a
    traceback."""

    exit_code: ClassVar[int] = 1


class SweepBusy(RunnerError):
    """Another submit holds the sweep; nothing was started."""

    sweep: str
    holder: str

    def __str__(self) -> str:
        return (
            f"another submit is running sweep '{self.sweep}' ({self.holder}), so nothing was "
            f"started: watch it with 'runner status {self.sweep}', and submit again when it has "
            "ended"
        )


class SweepNotNamed(RunnerError):
    """The store has no sweep, or several where the command acts on one."""

    store: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        if not self.known:
            return (
                f"{self.store} has no sweep yet: start with 'runner init' and 'runner submit "
                "grid.yaml', or name another store with --store"
            )
        return f"{self.store} has several sweeps: name one of {', '.join(self.known)}"


class NeverSubmitted(RunnerError):
    """The sweeps have records, and this store never submitted them: they were merged into it."""

    store: str
    sweeps: tuple[str, ...]

    def __str__(self) -> str:
        names = " ".join(self.sweeps)
        return (
            f"{self.store} has records of {', '.join(self.sweeps)}, and nothing was submitted to "
            f"it: 'runner collect {names}' shows them, and a submit of the grid goes on here"
        )


class NoSweepInFile(RunnerError):
    """A file was given where a sweep is named, and it names none."""

    exit_code: ClassVar[int] = 2

    file: str
    exists: bool
    known: tuple[str, ...]

    def __str__(self) -> str:
        why = "is not a grid with a name" if self.exists else "does not exist"
        has = (
            f"name one of the store's sweeps ({', '.join(self.known)})"
            if self.known
            else "the store has no sweep yet"
        )
        return f"{self.file} {why}: {has}, or give the file that was submitted"


class ProblemsFound(RunnerError):
    """Everything that is wrong with what the user wrote, a line each; nothing was queued."""

    problems: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.problems)


class FrozenFileDamaged(RunnerError):
    """A file that submit froze cannot be read any more."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be read ({self.reason}): submit the grid again to freeze "
            "it anew; the records stay as they are"
        )


class ArrayWithdrawn(RunnerError):
    """A scheduler started a task of an array after the array was withdrawn; another array runs its
    trials."""

    path: str

    def __str__(self) -> str:
        return (
            f"{self.path} was withdrawn before this task began, because SLURM did not list it: a "
            "later array runs its trials"
        )


class LocksMissing(RunnerError):
    """The store's file system has no locks, so two submits could run the same trials."""

    path: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the file system of {self.path} has no locks (flock: {self.reason}), so two submits "
            "could run the same trials: mount it with locks (Lustre: -o flock), or choose a store "
            "elsewhere"
        )


class NotYourSubmission(RunnerError):
    """Someone else froze the submission, or it was changed since; what it names would run with this
    user's rights."""

    sweep: str
    folder: str
    workloads: tuple[str, ...]
    import_path: tuple[str, ...]

    def __str__(self) -> str:
        where = f", imported from {', '.join(self.import_path)}" if self.import_path else ""
        return (
            f"{self.folder} is not what you submitted from this account, and a retry of "
            f"'{self.sweep}' would run what it names: {', '.join(self.workloads)}{where}; check it "
            "and add --trust, or submit the grid yourself"
        )


class CodeTooLarge(RunnerError):
    """The user's code is more than a submit copies into the store; nothing was queued."""

    folder: str
    mb: float
    files: int
    max_mb: float
    max_files: int
    largest: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"the code in {self.folder} is {self.mb:.1f} MB in {self.files} files, and a submit "
            f"copies at most {self.max_mb:g} MB in {self.max_files} files; most of it is "
            f"{', '.join(self.largest)}: exclude what is not code in {self.folder}/.runnerignore "
            "(patterns as in .gitignore) or in the profile (snapshot: {exclude: [...]}), or run "
            "the live code with --no-snapshot"
        )


class SnapshotMissing(RunnerError):
    """The code that a submission froze is not in the store any more."""

    folder: str
    live: str

    def __str__(self) -> str:
        return (
            f"{self.folder}, the frozen code of {self.live}, is not there any more: submit the "
            "grid again to freeze the code that is there now"
        )


class SnapshotOfAnother(RunnerError):
    """Someone else owns the frozen code; what it holds would run with this user's rights."""

    folder: str

    def __str__(self) -> str:
        return (
            f"{self.folder} belongs to another user, whose code would run as yours: submit the "
            "grid yourself, or copy the store and run from the copy"
        )


class LibraryMissing(RunnerError):
    """An optional library is not installed."""

    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.what} needs {self.name}, which is not installed: pip install {self.name}"


class PublishFailed(RunnerError, TaskError):
    """A trial ran but its record could not be written, so it counts as not run."""

    code = 73  # EX_CANTCREAT of sysexits.h

    trial: str
    reason: str

    def __str__(self) -> str:
        return f"trial {self.trial} ran but its record could not be written: {self.reason}"


class SchedulerSilent(RunnerError):
    """The scheduler does not say what it holds of a sweep; nothing was queued, so that no trial
    runs twice."""

    sweep: str
    reason: str

    def __str__(self) -> str:
        return (
            f"the scheduler does not say what it holds of '{self.sweep}' ({self.reason}), so "
            "nothing was queued: submit again when it answers"
        )


class CancelLocal(RunnerError):
    """A submit on this machine drives the sweep, so no scheduler can cancel it."""

    sweep: str

    def __str__(self) -> str:
        return (
            f"a submit is running '{self.sweep}': stop that submit with Ctrl-C, which loses "
            "nothing, or wait until it has queued its tasks"
        )


class PackFailed(RunnerError):
    """An array task could not continue its pack; trials that had not begun wait for the next
    submit."""

    reason: str

    def __str__(self) -> str:
        return (
            f"the pack stopped: {self.reason}; the next submit runs the trials that had not begun"
        )


class SubmitStopped(RunnerError):
    """Ctrl-C or a signal like it stopped a submit; every running attempt got its record."""

    exit_code: ClassVar[int] = 130
    """As a shell has it for a command that Ctrl-C ended."""

    sweep: str
    ended: str
    left: int
    total: int

    def __str__(self) -> str:
        return (
            f"stopped: {self.ended or 'none begun'}; {self.left} of {self.total} trials of "
            f"'{self.sweep}' are left, and the same command continues where it stopped"
        )


class RecordingStopped(RunnerError):
    """Records cannot be written any more, so running on would lose results."""

    sweep: str
    left: int
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.reason}\n{self.left} trials of '{self.sweep}' are left; what is recorded "
            "stays, and the same command continues from there"
        )


class UnknownSubmission(RunnerError):
    """The sweep was not submitted so often."""

    sweep: str
    number: int
    known: tuple[int, ...]

    def __str__(self) -> str:
        return (
            f"'{self.sweep}' has no submission {self.number}: it has "
            f"{', '.join(map(str, self.known))}"
        )
