"""What the rows of a table were computed with, as against the latest submission of their sweep."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from artifacts.preferred import Preferred
from artifacts.record import Outcome
from artifacts.store import Store
from artifacts.tables import values_of
from runner.errors import FrozenFileDamaged
from runner.sweep.code_changes import changed_files, frozen_state
from runner.sweep.surroundings import digest_of
from runner.sweep.sweep import Sweep

_MOST_NAMED: Final = 5


@dataclass(frozen=True)
class Latest:
    """The latest submission of a sweep, and what earlier ones found installed."""

    sweep: str
    """First name of the sweep."""
    preferred: Preferred
    """What makes one of several attempts at a trial count."""
    packages: Mapping[str, str]
    """Version by name."""
    earlier: Sequence[Mapping[str, str]]
    """The packages of each submission."""
    store: Store | None = None
    """That may have kept the code of each record."""


def latest_of(sweeps: Iterable[Sweep]) -> dict[str, Latest]:
    """Return by the sweep's name what its latest submission froze; none for a sweep that was never
    submitted, or of which that cannot be read."""
    found = {}
    for sweep in sweeps:
        with suppress(FrozenFileDamaged):
            if sweep.submitted:
                about = sweep.latest.about
                code = None if about.code is None else about.code.digest
                found[sweep.shown_name] = Latest(
                    sweep.name,
                    Preferred(
                        code=frozenset() if code is None else frozenset({code}),
                        data=frozenset(about.data.values()),
                    ),
                    about.environment.packages,
                    [one.about.environment.packages for one in sweep.submissions],
                    sweep.store,
                )
    return found


def origin_notes(table: pa.Table, latest: Mapping[str, Latest]) -> list[str]:
    """Return what to say about completed trials that were computed with something else than the
    latest submission of their sweep would use; what is not known is not called other.

    Args:
        table: One row per trial.
        latest: By sweep.
    """
    of_rows = [
        (row, latest[sweep])
        for row, (sweep, outcome) in enumerate(
            zip(table["sweep"].to_pylist(), table["outcome"].to_pylist(), strict=True)
        )
        if outcome == Outcome.completed and sweep in latest
    ]
    return [
        *_code_notes(table, of_rows),
        *_data_notes(table, of_rows),
        *_package_notes(table, of_rows),
    ]


def _code_notes(table: pa.Table, of_rows: Sequence[tuple[int, Latest]]) -> Iterator[str]:
    codes = table["code"].to_pylist()
    other = [
        (row, latest)
        for row, latest in of_rows
        if latest.preferred.code and codes[row] not in (None, *latest.preferred.code)
    ]
    if other:
        names: dict[str, None] = {}
        for code, sweep in dict.fromkeys((codes[row], latest.sweep) for row, latest in other):
            latest = next(one for _, one in other if one.sweep == sweep)
            names |= dict.fromkeys(_changed_files(latest, code))
        named = f" ({_listed(names, ', ')})" if names else ""
        yield (
            f"{_share([row for row, _ in other], of_rows)} computed by other code than the latest "
            f"submission's{named}: 'runner diff' shows it"
        )


def _changed_files(latest: Latest, code: str) -> list[str]:
    """The files that differ from the latest submission's; none where one of the two was not
    kept."""
    if latest.store is None:
        return []
    states = [frozen_state(latest.store, one) for one in (code, *latest.preferred.code)]
    before, after = states[0], states[-1]
    if before is None or after is None:
        return []
    return [changed.name for changed in changed_files(before, after)]


def _data_notes(table: pa.Table, of_rows: Sequence[tuple[int, Latest]]) -> Iterator[str]:
    digests = table["data_digest"].to_pylist()
    other = [
        row
        for row, latest in of_rows
        if latest.preferred.data and digests[row] not in (None, *latest.preferred.data)
    ]
    if other:
        datasets = values_of(table, "dataset") if "dataset" in table.column_names else digests
        named = dict.fromkeys(str(datasets[row]) for row in other)
        yield (
            f"{_share(other, of_rows)} computed on other data than the latest submission's "
            f"({_listed(named)})"
        )


def _package_notes(table: pa.Table, of_rows: Sequence[tuple[int, Latest]]) -> Iterator[str]:
    digests, differ = (table[name].to_pylist() for name in ("packages_digest", "packages_differ"))
    other, changed = [], Counter[str]()
    told: dict[tuple[str, str, str | None], list[str]] = {}
    for row, latest in of_rows:
        if digests[row] is None or digests[row] == digest_of(latest.packages):
            continue
        other.append(row)
        key = (latest.sweep, digests[row], differ[row])
        if key not in told:
            told[key] = _changes(latest, *key[1:])
        changed.update(told[key])
    if other:
        named = [package for package, _ in changed.most_common()]
        yield (
            f"{_share(other, of_rows)} computed with other packages than the latest submission's"
            f"{f' ({_listed(named)})' if named else ''}"
        )


def _changes(latest: Latest, digest: str, differ: str | None) -> list[str]:
    """Name the packages of a record that are not as in the latest submission; none if no submission
    fits it."""
    here: dict[str, str | None] = {}
    with suppress(ValueError):
        here = {name: found for name, (_, found) in json.loads(differ or "{}").items()}
    for submitted in latest.earlier:
        had = {name: text for name, text in (dict(submitted) | here).items() if text is not None}
        if digest_of(had) == digest:
            return [
                f"{name} {had.get(name, 'not installed')}, now {latest.packages.get(name, 'gone')}"
                for name in sorted(had.keys() | latest.packages.keys())
                if had.get(name) != latest.packages.get(name)
            ]
    return []


def _share(rows: Sequence[int], of_rows: Sequence[tuple[int, Latest]]) -> str:
    were = "was" if len(rows) == 1 else "were"
    return f"{len(rows)} of {len(of_rows)} completed trials {were}"


def _listed(names: Iterable[str], between: str = "; ") -> str:
    shown = list(names)
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    return between.join(shown[:_MOST_NAMED]) + more
