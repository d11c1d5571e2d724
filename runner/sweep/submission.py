"""What one submit freezes in the store, so that later edits change no queued trial.

``sweeps/<sweep>/001/`` holds the first submission of a sweep: the grid and the profile as they were
read, the grid after the overrides, one line per job spec, the environment, the uncommitted patch,
the command that was typed. The same grid submitted again from the same code and with the same
overrides finds its submission and adds nothing; anything that differs freezes the next
number. What a worker is given is the path of an array file in there and an index.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from artifacts.formats import FORMAT
from artifacts.publish import (
    PARTIAL,
    publish,
    sync_folder,
    translate_read_errors,
    translate_write_errors,
)
from artifacts.store import Store
from cluster.errors import ProfileError
from cluster.profile import Profile, parse
from jobs.spec import JobSpec, NotPlain
from runner.errors import ArrayWithdrawn, FrozenFileDamaged
from runner.grid.source import parse_yaml
from runner.sweep.provenance import Environment
from runner.sweep.snapshot import FrozenCode, code_folder
from runner.sweep.stamp import check_stamp, stamped

T = TypeVar("T")
_SPECS_DECODER: Final = msgspec.json.Decoder(JobSpec)

_SPECS, _ABOUT, _ARRAYS = "specs.jsonl", "submission.json", "arrays"
_IDS = "trial-ids"
_GRID, _PROFILE, _PATCH = "grid.yaml", "cluster.yaml", "uncommitted.patch"
_EFFECTIVE, _TYPED = "effective.yaml", "command.json"
_UNFINISHED = ".partial-"
_ARRAY, _WITHDRAWN, _VOID = ".json", ".withdrawn", ".void"
"""An array; one of which it is being found out whether it is queued; one that never was, which
keeps its number from being given again."""


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line changed of the grid, or of how it is run."""

    sets: list[str] = []
    """As typed after ``--set``."""
    on: dict[str, str] = {}
    """Targets of the grid that run on another one."""
    limit: int | None = None
    """At most so many trials were run now."""
    pack: int | None = None
    """Trials per array task, where it was not chosen by the runner."""

    @property
    def changes_grid(self) -> bool:
        """Return whether the trials are other ones than the grid's own."""
        return bool(self.sets or self.on)

    def as_options(self) -> list[str]:
        """Return the options that make them, one word each."""
        words = [word for text in self.sets for word in ("--set", text)]
        words += [word for name, other in self.on.items() for word in ("--on", f"{name}={other}")]
        words += [] if self.limit is None else ["--limit", str(self.limit)]
        return words + ([] if self.pack is None else ["--pack", str(self.pack)])


class Typed(msgspec.Struct, frozen=True, kw_only=True):
    """The command that froze a submission."""

    words: list[str]
    folder: str
    """Where it was typed."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """How the submission's trials are to be run; part of what is frozen."""

    backend: str
    data_dir: str | None
    import_path: list[str]
    """Folders from which the user's own workloads and models are imported: the grid's and the one
    submit was typed in."""
    environment: Environment
    code: FrozenCode | None = None
    """The user's code as it was at submit; None where there is none, and where it was not
    frozen."""
    live: bool = False
    """Whether the user asked for the code as it is when a trial runs."""
    grid: str = ""
    """Where the file of the grid was; empty for one that came through a pipe."""
    notes: list[str] = []
    merged: int = 0
    overrides: Overrides = Overrides()
    data: dict[str, str] = {}
    """Digest of each dataset's files at submit, by its name; none for one that was not known."""


class FrozenArray(msgspec.Struct, frozen=True, kw_only=True):
    """One array job: which lines of the specs each task runs."""

    target: str
    backend: str
    submitted_at: float
    """Seconds since the epoch."""
    resources: dict[str, Any]
    """As asked of the backend for one task."""
    trial_time_min: float | None
    """Limit of one trial; a task's is that of its whole pack."""
    warning_s: float | None = None
    """How long before the end of the walltime a task is asked to stop; None where there is no
    walltime."""
    store: str = ""
    """Id of the store that queued it; empty in stores older than their id."""
    cluster: str | None = None
    """That it is queued on, by name; empty for the one of the machine that submitted."""
    packs: list[list[tuple[int, int]]]
    """For each task its trials in order: (line of the specs, number of the attempt)."""


class Submission:
    """A frozen submission, read on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def sweep(self) -> str:
        """Name of the sweep it belongs to."""
        return self.folder.parent.name

    @property
    def number(self) -> int:
        """Return 1 for the sweep's first submission."""
        return int(self.folder.name)

    @cached_property
    def about(self) -> About:
        """Raises FrozenFileDamaged."""
        return _decode(self.folder / _ABOUT, About)

    @property
    def grid_text(self) -> str:
        """Return the grid as it was read; raises FrozenFileDamaged."""
        return _frozen_text(self.folder / _GRID)

    @property
    def effective_text(self) -> str:
        """Return the grid after ``--set`` and ``--on``; raises FrozenFileDamaged."""
        path = self.folder / _EFFECTIVE
        return _frozen_text(path) if path.exists() else self.grid_text

    @property
    def typed(self) -> Typed | None:
        """Return the command that froze it; None if none was typed, or an earlier version froze it.
        Raises FrozenFileDamaged."""
        path = self.folder / _TYPED
        return _decode(path, Typed) if path.exists() else None

    @property
    def profile_text(self) -> str:
        """Return the profile as it was read; raises FrozenFileDamaged."""
        return _frozen_text(self.folder / _PROFILE)

    @cached_property
    def profile(self) -> Profile:
        """Return the profile; raises FrozenFileDamaged, also where it has what is a mistake
        today."""
        path = str(self.folder / _PROFILE)
        source = parse_yaml(self.profile_text, path)
        if source.problems:
            raise FrozenFileDamaged(path, "; ".join(str(problem) for problem in source.problems))
        try:
            return parse(source.data, path)
        except ProfileError as error:
            raise FrozenFileDamaged(path, str(error)) from error

    @property
    def import_path(self) -> tuple[str, ...]:
        """Return the folders that the user's modules are imported from: those of the frozen code,
        else the live ones; raises FrozenFileDamaged."""
        code = self.about.code
        if code is None:
            return tuple(self.about.import_path)
        return tuple(str(self._code_folder / folder) for folder in code.import_path)

    @property
    def copies(self) -> tuple[tuple[str, str], ...]:
        """Return each folder of the user's code that was frozen, with its copy; raises
        FrozenFileDamaged."""
        code = self.about.code
        roots = [] if code is None else code.roots
        return tuple((root.live, str(self._code_folder / root.copy)) for root in roots)

    @property
    def _code_folder(self) -> Path:
        return code_folder(Store(self.folder.parents[2]))

    @property
    def patch(self) -> str:
        """Return what the user's code had that no commit has; raises FrozenFileDamaged."""
        return _frozen_bytes(self.folder / _PATCH).decode(errors="surrogateescape")

    def check_format(self) -> None:
        """Raise NewerFormat if a newer runner froze it; its file about itself speaks for all."""
        with suppress(OSError):
            check_stamp(self.folder / _ABOUT, (self.folder / _ABOUT).read_bytes())

    @cached_property
    def _lines(self) -> list[bytes]:
        self.check_format()
        return _frozen_bytes(self.folder / _SPECS).splitlines()

    @property
    def n_trials(self) -> int:
        """Return how many trials it has, without decoding them; raises FrozenFileDamaged."""
        return len(self._lines)

    def spec(self, line: int) -> JobSpec:
        """Return the job spec in a line, counted from 0; raises FrozenFileDamaged."""
        path = self._specs_path
        if not 0 <= line < len(self._lines):
            raise FrozenFileDamaged(
                str(path), f"it has {len(self._lines)} lines, and line {line + 1} is asked for"
            )
        spec = _decoded(path, self._lines[line], JobSpec, f"line {line + 1}: ")
        try:
            spec.check()
        except (NotPlain, RecursionError) as error:
            raise FrozenFileDamaged(str(path), f"line {line + 1}: {error}") from error
        return spec

    @cached_property
    def _specs_path(self) -> Path:
        return self.folder / _SPECS

    @cached_property
    def specs(self) -> list[JobSpec]:
        """Return every spec, in the order of the grid."""
        with suppress(msgspec.DecodeError, ValueError, RecursionError, NotPlain):
            specs = _SPECS_DECODER.decode_lines(b"\n".join(self._lines))
            for spec in specs:
                spec.check()
            if len(specs) == len(self._lines):
                return specs
        # What is wrong is said of its line.
        return [self.spec(line) for line in range(len(self._lines))]

    @cached_property
    def trial_ids(self) -> frozenset[str]:
        """Return the ids of its trials: as they were frozen, or else made from the specs; raises
        FrozenFileDamaged."""
        with suppress(OSError):
            head, _, ids = (self.folder / _IDS).read_bytes().partition(b"\n")
            if head == _seal(_frozen_bytes(self.folder / _SPECS), ids):
                return frozenset(ids.decode().splitlines())
        return frozenset(spec.trial_id for spec in self.specs)

    def add_array(self, array: FrozenArray) -> Path:
        """Freeze one array job and return its path; a number that any array ever had is not given
        again."""
        folder = self.folder / _ARRAYS
        with translate_write_errors(folder):
            folder.mkdir(exist_ok=True)
            taken = max(
                (int(known.stem) for known in folder.iterdir() if known.stem.isdecimal()), default=0
            )
        path = folder / f"{taken + 1:04d}{_ARRAY}"
        publish(path, memoryview(stamped(array)))
        return path

    def arrays(self) -> list[Path]:
        """Return the paths of the arrays frozen so far, oldest first, without those that were
        withdrawn."""
        return self._files(_ARRAY)

    def withdrawn(self) -> list[Path]:
        """Return the paths of the arrays that were withdrawn while it was not known whether they
        are queued."""
        return [path.with_suffix(_ARRAY) for path in self._files(_WITHDRAWN)]

    def _files(self, suffix: str) -> list[Path]:
        folder = self.folder / _ARRAYS
        with translate_read_errors(folder):
            return (
                sorted(
                    path
                    for path in folder.iterdir()
                    if path.suffix == suffix and path.stem.isdecimal()
                )
                if folder.is_dir()
                else []
            )


def withdraw(path: Path) -> None:
    """Take an array out of the reach of its tasks: one that starts after this finds nothing to run.
    What runs already goes on."""
    _rename(path, _ARRAY, _WITHDRAWN)


def restore(path: Path) -> None:
    """Undo ``withdraw``: it is queued after all."""
    _rename(path, _WITHDRAWN, _ARRAY)


def discard(path: Path) -> None:
    """Mark an array, withdrawn or not, as never queued; its number stays taken."""
    _rename(path, _WITHDRAWN if path.with_suffix(_WITHDRAWN).exists() else _ARRAY, _VOID)


def _rename(path: Path, before: str, after: str) -> None:
    with translate_write_errors(path):
        path.with_suffix(before).rename(path.with_suffix(after))
        sync_folder(path.parent)


def freeze(
    sweep_folder: Path,
    *,
    grid_text: str,
    profile_text: str,
    specs: Sequence[JobSpec],
    about: About,
    patch: str,
    effective_text: str = "",
    typed: Typed | None = None,
) -> Submission:
    """Freeze a submission, or find the latest one if it froze the very same; call it with the sweep
    locked.

    Args:
        sweep_folder: Of the sweep.
        grid_text: As it was read.
        profile_text: As it was read.
        specs: The trials.
        about: How they are run.
        patch: What the user's code has that no commit has.
        effective_text: The grid after the overrides; empty if there are none.
        typed: The command, which makes no other submission: it can be spelled in many ways.
    """
    files = {
        _GRID: grid_text.encode(),
        _PROFILE: profile_text.encode(),
        _SPECS: b"".join(_lines_of(specs)),
        _ABOUT: msgspec.json.format(stamped(about)),
        _PATCH: patch.encode(errors="surrogateescape"),
        **({_EFFECTIVE: effective_text.encode()} if effective_text else {}),
    }
    ids = "\n".join(spec.trial_id for spec in specs).encode()
    # What makes no other submission: a command can be spelled in many ways, and ids follow from the
    # specs, which a hundred thousand take a second to hash.
    beside = {_IDS: _seal(files[_SPECS], ids) + b"\n" + ids}
    if typed is not None:
        beside[_TYPED] = msgspec.json.format(stamped(typed))
    known = submissions(sweep_folder)
    if known:
        known[-1].check_format()
    if known and all(
        _digest(known[-1].folder / name) == hashlib.sha256(data).digest()
        for name, data in files.items()
    ):
        return known[-1]
    number = known[-1].number + 1 if known else 1
    partial = sweep_folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
    # not mkdtemp, which is private: whoever shares the store goes on with the sweep
    partial.mkdir()
    try:
        for name, data in (files | beside).items():
            publish(partial / name, memoryview(data))
        folder = sweep_folder / f"{number:03d}"
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Submission(folder)


def remove_unfinished(sweep_folder: Path) -> None:
    """Remove what killed submits left half-written; the sweep is locked, so none is at work."""
    for folder in sweep_folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)
    for path in sweep_folder.glob(f"*/{_ARRAYS}/.*{PARTIAL}"):
        with suppress(OSError):
            path.unlink()


def submissions(sweep_folder: Path) -> list[Submission]:
    """Return every frozen submission of a sweep, oldest first."""
    with translate_read_errors(sweep_folder):
        folders = (
            [path for path in sweep_folder.iterdir() if path.name.isdecimal()]
            if sweep_folder.is_dir()
            else []
        )
    return [Submission(path) for path in sorted(folders, key=lambda path: int(path.name))]


@lru_cache(maxsize=8)
def read_array(path: Path) -> tuple[Submission, FrozenArray]:
    """Return an array file and the submission around it, kept in memory for a warm worker.

    Raises:
        ArrayWithdrawn: It was queued so late that its trials are with another array by now.
        FrozenFileDamaged: It cannot be read.
        NewerFormat: A newer runner froze it.
    """
    if not path.exists() and any(
        path.with_suffix(suffix).exists() for suffix in (_WITHDRAWN, _VOID)
    ):
        raise ArrayWithdrawn(str(path))
    return Submission(path.parent.parent), _decode(path, FrozenArray)


def _lines_of(specs: Iterable[JobSpec]) -> Iterable[bytes]:
    encoder = msgspec.json.Encoder()
    for spec in specs:
        yield encoder.encode(spec) + b"\n"


def _seal(specs: bytes, ids: bytes) -> bytes:
    """Return what the file of ids begins with, so that it counts beside these specs only."""
    digest = hashlib.sha256(specs)
    digest.update(ids)
    return f"{FORMAT} {digest.hexdigest()}".encode()


def _frozen_bytes(path: Path) -> bytes:
    """What a frozen file holds; FrozenFileDamaged if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FrozenFileDamaged(str(path), error.strerror or type(error).__name__) from error


def _frozen_text(path: Path) -> str:
    """The same as text; FrozenFileDamaged also if it is not UTF-8."""
    try:
        return _frozen_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise FrozenFileDamaged(str(path), str(error)) from error


def _decode(path: Path, kind: type[T]) -> T:
    data = _frozen_bytes(path)
    check_stamp(path, data)
    return _decoded(path, data, kind)


def _decoded(path: Path, data: bytes, kind: type[T], where: str = "") -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (
        msgspec.DecodeError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: bytes that are not UTF-8
        raise FrozenFileDamaged(str(path), f"{where}{error}") from error


def _digest(path: Path) -> bytes | None:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None
