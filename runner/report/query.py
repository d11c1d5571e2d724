"""Gather the attempts of one or more stores for SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from artifacts.attempts import STORE, Attempts
from artifacts.choosing import COUNTS
from artifacts.errors import UnknownSweep
from artifacts.store import Store
from runner.errors import SweepNotNamed
from runner.report.gather import expected_trials, notes_of, of_grid, open_sweeps
from runner.report.origins import latest_of


@dataclass(frozen=True)
class Asked:
    """Every attempt of some stores, and what is to be said beside an answer over them."""

    attempts: Attempts
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
    attempts, expected = Attempts(), dict[str, dict[str, Collection[str]]]()
    for name, store in stores.items():
        here = [sweep for sweep in sweeps[name] if sweep in known[name]]
        if here or not sweeps[name]:
            opened = open_sweeps(store, here)
            preferred = {one.sweep: one.preferred for one in latest_of(opened).values()}
            attempts.add(store, here or store.sweeps(), preferred, name)
            expected[name] = {}
            if not earlier:
                expected[name] |= expected_trials(opened)
    notes = list[str]()
    for name, trials in expected.items():
        attempts, said = _of_latest(attempts, name, trials)
        notes += [f"{name}: {note}" if len(expected) > 1 else note for note in said]
    problems = tuple(f"{problem.path}: {problem.reason}" for problem in attempts.unreadable)
    return Asked(attempts, problems, tuple(notes))


def _of_latest(
    attempts: Attempts, store: str, expected: Mapping[str, Collection[str]]
) -> tuple[Attempts, list[str]]:
    """Return the attempts without those of a store whose trials its latest grids do not have, and
    what is to be said of these."""
    keys = attempts.select(["sweep", "trial", "merged_from", STORE, COUNTS])
    here = pc.equal(keys[STORE], store)
    table = keys.filter(here)
    wanted = of_grid(table, expected)
    notes = notes_of(table.filter(table[COUNTS]), expected)
    if not pc.all(wanted).as_py():
        kept = pc.replace_with_mask(pc.invert(here).combine_chunks(), here, wanted.combine_chunks())
        attempts = attempts.keep(pa.chunked_array([kept]))
    return attempts, notes


def with_origin(store: str, attempts: pa.Table) -> pa.Table:
    """Return a store's attempts with the column STORE."""
    origin = pa.repeat(pa.scalar(store, pa.string()), attempts.num_rows)
    return attempts.append_column(STORE, origin)
