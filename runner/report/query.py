"""Gather the attempts of one or more stores for SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from artifacts.errors import UnknownSweep
from artifacts.query import STORE
from artifacts.store import Store
from artifacts.tables import in_order, unite
from runner.errors import SweepNotNamed
from runner.report.gather import expected_trials, gather, open_sweeps
from runner.report.origins import latest_of


@dataclass(frozen=True)
class Asked:
    """Every attempt of some stores, and what is to be said beside an answer over them."""

    attempts: pa.Table
    unreadable: tuple[str, ...]
    notes: tuple[str, ...]


def gather_stores(
    stores: Mapping[str, Store], sweeps: Mapping[str, Sequence[str]], *, earlier: bool = False
) -> Asked:
    """Return every attempt of the stores, with the columns that ``artifacts.query`` needs.

    Nothing is written: attempts whose records are still to be derived are missing.

    Args:
        stores: By the name that the column ``store`` gives them.
        sweeps: By store, the sweeps to read; all of a store if none is named.
        earlier: Also trials that the sweep's grid no longer has.

    Raises:
        SweepNotNamed: A store has no sweep.
        UnknownSweep: No store has a sweep of that name.
    """
    known = {name: frozenset(store.sweeps()) for name, store in stores.items()}
    for name, found in known.items():
        if not found:
            raise SweepNotNamed(name, ())
    for name, store in stores.items():
        for sweep in sweeps[name]:
            if not any(sweep in found for found in known.values()):
                raise UnknownSweep(sweep, tuple(sorted(known[name])), store.root)
    gathered = {}
    for name, store in stores.items():
        here = [sweep for sweep in sweeps[name] if sweep in known[name]]
        if here or not sweeps[name]:
            opened = open_sweeps(store, here)
            expected = None if earlier else expected_trials(opened)
            gathered[name] = gather(store, here, expected=expected, latest=latest_of(opened))
    several = len(gathered) > 1
    tables = [with_origin(name, one.attempts) for name, one in gathered.items()]
    return Asked(
        tables[0] if len(tables) == 1 else in_order(unite(tables)),
        tuple(problem for one in gathered.values() for problem in one.unreadable),
        tuple(
            f"{name}: {note}" if several else note
            for name, one in gathered.items()
            for note in one.notes
        ),
    )


def with_origin(store: str, attempts: pa.Table) -> pa.Table:
    """Return a store's attempts with the column STORE."""
    origin = pa.repeat(pa.scalar(store, pa.string()), attempts.num_rows)
    return attempts.append_column(STORE, origin)
