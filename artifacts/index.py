"""Which attempts of a sweep have a record, and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from artifacts.errors import UnreadableRecord
from artifacts.publish import entries
from artifacts.record import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX: Final = ".parquet"
DERIVED: Final = ".derived"
COMPACTED: Final = "compacted-"
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
T = TypeVar("T")


class Attempt(NamedTuple):
    """One recorded execution of a trial, and the file that holds it."""

    attempt: int
    outcome: Outcome
    derived: bool
    disturbed: bool
    path: Path
    diverged: bool = False
    """Whether it completed with a loss or an accuracy that is NaN or infinite."""
    merged_from: str = ""
    """Id of the store that made its record; empty for this one's own."""
    began: int = 0
    """Orders the attempts of several other stores: in microseconds since the epoch."""
    code: str | None = None
    """Digest of the user's code; None where it needs none, or did not record it."""
    data_digest: str | None = None
    """Of the data that it read; None where it is not known."""
    packages_digest: str | None = None
    """Of the packages that its worker found; None where it is not known."""

    @property
    def own(self) -> bool:
        """Return whether this store made the record, so that its journal tells of the attempt."""
        return not self.merged_from


class Unreadable(NamedTuple):
    """A file that could not be read; trial and attempt as far as its name tells."""

    path: Path
    reason: str
    trial: str | None
    attempt: int | None


@dataclass(frozen=True)
class Index:
    """The attempts of a sweep by trial, in order, and the files that could not be read.

    Attempts of other stores stand before the store's own, in the order in which they began.
    """

    trials: Mapping[str, tuple[Attempt, ...]]
    unreadable: tuple[Unreadable, ...]
    completed: frozenset[str]

    def attempts(self, trial: str) -> tuple[Attempt, ...]:
        """Return the trial's recorded attempts, the first first; none if it has no readable
        record."""
        return self.trials.get(trial, ())

    def own_attempts(self, trial: str) -> tuple[Attempt, ...]:
        """Return those that this store made: the same number of another store is another
        attempt."""
        return tuple(attempt for attempt in self.attempts(trial) if attempt.own)

    def last_attempts(self) -> dict[str, int]:
        """Return the highest attempt number that a record has taken, by trial; unreadable ones
        count."""
        taken = {
            trial: max(attempt.attempt for attempt in attempts)
            for trial, attempts in self.trials.items()
        }
        for damaged in self.unreadable:
            if damaged.trial is not None and damaged.attempt is not None:
                taken[damaged.trial] = max(taken.get(damaged.trial, 0), damaged.attempt)
        return taken


Rows = list[tuple[str, Attempt]]


class Cache:
    """Rows of files that were read before; files never change, so a name and inode seen once need
    no second look."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[int, Rows]] = {}

    def index(self, folder: Path) -> Index:
        """Index a folder of records, reading only what is new in it."""
        files = names(folder)
        known = {
            name: rows for name, (inode, rows) in self._rows.items() if files.get(name) == inode
        }
        unreadable = []
        for path, rows in walk(folder, _rows_of, known):
            if isinstance(rows, Unreadable):
                unreadable.append(rows)
            else:
                known[path.name] = rows
        inodes = names(folder)
        self._rows = {name: (inodes[name], rows) for name, rows in known.items() if name in inodes}
        return _index(known, unreadable)


def names(folder: Path) -> dict[str, int]:
    """Return the names and inodes of the record files in a folder; empty if there is none.

    Compaction links the file of many before it removes those of one. A single scan may look at the
    place of the former too early and at the latter too late, and miss both; whatever one scan
    missed in that way, a second one has.
    """
    return {**_scan(folder), **_scan(folder)}


def walk(
    folder: Path, load: Callable[[Path], T], done: Iterable[str] = ()
) -> Iterator[tuple[Path, T | Unreadable]]:
    """Load every record file of a folder but those done; files that are compacted away meanwhile
    are found in their new place."""
    done, gone = set(done), set[str]()
    while True:
        vanished = False
        for name in sorted(names(folder).keys() - done):
            value: T | Unreadable
            try:
                value = load(folder / name)
            except FileNotFoundError:
                if name not in gone:
                    gone.add(name)
                    vanished = True
                    continue
                value = unreadable(folder / name, "the folder lists it, but it is not there")
            except UnreadableRecord as error:
                value = unreadable(error.path, error.reason)
            done.add(name)
            yield folder / name, value
        if not vanished:
            return


def load_table(path: Path, columns: Iterable[str] | None = None) -> pa.Table:
    """Return the rows of a record file: all columns, or only some.

    Raises:
        FileNotFoundError: It was compacted away.
        UnreadableRecord: It is damaged, or holds another record than its name says.
    """
    # A command that finds no record does without pyarrow, which takes 0.3 s to import.
    from artifacts import parquet

    table = parquet.read(path, None if columns is None else tuple(columns))
    trial, attempt = named(path)
    if trial is not None and (table["trial"].to_pylist(), table["attempt"].to_pylist()) != (
        [trial],
        [attempt],
    ):
        raise UnreadableRecord(path, "it holds another attempt than its name says")
    return table


def file_name(trial: str, attempt: int, *, derived: bool) -> str:
    """Return what a single record's file is called: a derived one never takes the place of what the
    worker itself may still say."""
    return f"{trial}.{attempt}{DERIVED if derived else ''}{SUFFIX}"


def named(path: Path) -> tuple[str | None, int | None]:
    """Trial and attempt from a single record's file name; None twice for a file of many."""
    trial, _, attempt = path.name.removesuffix(SUFFIX).removesuffix(DERIVED).rpartition(".")
    if path.name.startswith(COMPACTED) or not trial or not attempt.isdecimal():
        return None, None
    return trial, int(attempt)


def unreadable(path: Path, reason: str) -> Unreadable:
    """Name a file that could not be read."""
    return Unreadable(path, reason, *named(path))


def _scan(folder: Path) -> dict[str, int]:
    return {
        entry.name: entry.inode()
        for entry in entries(folder)
        if entry.name.endswith(SUFFIX) and not entry.name.startswith(".")
    }


def _rows_of(path: Path) -> Rows:
    flags_of, digests_of = (
        ("derived", "disturbed", "diverged"),
        ("code", "data_digest", "packages_digest"),
    )
    table = load_table(path, (*flags_of, *digests_of, "merged_from", "started_at"))
    derived, disturbed, diverged = (
        [bool(flag) for flag in table[name].to_pylist()]
        if name in table.column_names
        else repeat(False)
        for name in flags_of
    )
    digests = (
        table[name].to_pylist() if name in table.column_names else repeat(None)
        for name in digests_of
    )
    outcomes = (_OUTCOMES.get(outcome, Outcome.unknown) for outcome in table["outcome"].to_pylist())
    merged = "merged_from" in table.column_names
    attempts = map(
        Attempt,
        table["attempt"].to_pylist(),
        outcomes,
        derived,
        disturbed,
        repeat(path),
        diverged,
        table["merged_from"].fill_null("").to_pylist() if merged else repeat(""),
        began(table).to_pylist() if merged else repeat(0),
        *digests,
    )
    return list(zip(table["trial"].to_pylist(), attempts, strict=True))


def _index(known: Mapping[str, Rows], damaged: list[Unreadable]) -> Index:
    trials: dict[str, tuple[Attempt, ...]] = {}
    completed = set()
    # Files of many last: while a record is in both, the single one is about to go.
    for name in sorted(known, key=lambda name: (name.startswith(COMPACTED), name)):
        for trial, attempt in known[name]:
            trials[trial] = _with(trials[trial], attempt) if trial in trials else (attempt,)
            if attempt.outcome is Outcome.completed:
                completed.add(trial)
    return Index(trials, tuple(sorted(damaged)), frozenset(completed))


def weight(outcome: str, *, derived: bool) -> int:
    """Return which of several records of one attempt counts: the one that weighs more.

    What the worker itself says, however late, outweighs what was derived in its place. Of two
    workers that a network partition gave one attempt, the one that came to its end.
    """
    return 0 if derived else 2 if outcome == Outcome.completed else 1


def began(table: pa.Table) -> pa.ChunkedArray:
    """Return when the attempts began, in microseconds since the epoch; 0 where it is not known."""
    import pyarrow as pa

    if "started_at" not in table.column_names:
        return pa.chunked_array([pa.array([0] * table.num_rows, pa.int64())])
    return table["started_at"].cast(pa.int64()).fill_null(0)


def order(merged_from: str, began: int, attempt: int) -> tuple[bool, int, str, int]:
    """Return what sorts the attempts of a trial: those of other stores by when they began, then the
    store's own by number."""
    return not merged_from, began if merged_from else 0, merged_from, attempt


def _with(attempts: tuple[Attempt, ...], attempt: Attempt) -> tuple[Attempt, ...]:
    kept = {(known.merged_from, known.attempt): known for known in attempts}
    key = attempt.merged_from, attempt.attempt
    before = kept.get(key)
    if before is None or _weight(before) <= _weight(attempt):
        kept[key] = attempt
    return tuple(
        sorted(kept.values(), key=lambda one: order(one.merged_from, one.began, one.attempt))
    )


def _weight(attempt: Attempt) -> int:
    return weight(attempt.outcome, derived=attempt.derived)
