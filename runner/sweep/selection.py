"""Which trials and which attempts are meant by the names on a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from artifacts.errors import AmbiguousTrial, UnknownTrial
from artifacts.record import Outcome
from artifacts.store import Store
from runner.errors import NeverSubmitted, NoSweepInFile, SweepNotNamed
from runner.grid.source import load_yaml
from runner.sweep.attempts import unrecorded
from runner.sweep.journal import read_all
from runner.sweep.sweep import Sweep, submitted_sweeps

GRID_SUFFIXES: Final = (".yaml", ".yml")


def sweep_of(store: Store, name: str) -> str:
    """Return the first name of the sweep that a name means: any of its names, or the file of its
    grid.

    Raises:
        NoSweepInFile: It looks like a file, and no grid with a name is there.
    """
    path, known = Path(name), store.resolve(name)
    if known in store.sweeps() or not (path.suffix in GRID_SUFFIXES or path.is_file()):
        return known
    data = load_yaml(path).data
    found = data.get("name") if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise NoSweepInFile(name, path.is_file(), tuple(store.shown_names().values()))
    return store.resolve(found)


def select(store: Store, names: Sequence[str]) -> list[tuple[Sweep, frozenset[str] | None]]:
    """Return the sweeps that are meant and which of their trials; None stands for all of a sweep.

    Args:
        store: Where the sweeps are.
        names: Names of sweeps, files of their grids, and beginnings of trial ids; the store's only
            sweep if there are none.

    Raises:
        SweepNotNamed: No name, and the store has no sweep or several.
        UnknownTrial: Neither a sweep nor the beginning of a trial of the latest submissions.
        AmbiguousTrial: The beginning of several.
    """
    sweeps = {name: Sweep(store, name) for name in submitted_sweeps(store)}
    if not names:
        if not sweeps and (recorded := store.shown_names()):
            raise NeverSubmitted(str(store.root), tuple(recorded.values()))
        if len(sweeps) != 1:
            known = tuple(sweep.shown_name for sweep in sweeps.values())
            raise SweepNotNamed(str(store.root), known)
        names = list(sweeps)
    names = [sweep_of(store, name) for name in names]
    chosen: dict[str, frozenset[str] | None] = {name: None for name in names if name in sweeps}
    for prefix in (name for name in names if name not in sweeps):
        sweep, trial = _trial(store, sweeps, prefix)
        already = chosen.get(sweep, frozenset())
        chosen[sweep] = None if already is None else already | {trial}
    return [(sweeps[name], trials) for name, trials in chosen.items()]


def attempts_of(store: Store, prefix: str) -> tuple[str, dict[int, Mapping[str, Any]]]:
    """Return the trial whose id starts so, and its attempts by number: the columns of each record,
    and ``log`` alone of those that have left no record yet.

    Raises:
        UnknownTrial: None of its attempts has begun.
        AmbiguousTrial: There are several.
    """
    started = [
        entry
        for sweep in store.sweeps()
        for entry in unrecorded(read_all(store.sweep_folder(sweep))).values()
        if entry.trial.startswith(prefix)
    ]
    try:
        found, sweeps = store.find(prefix)
        recorded: dict[int, Mapping[str, Any]] = {
            row["attempt"]: row for sweep in sweeps for row in store.read(sweep, found)
        }
    except UnknownTrial:
        if not started:
            raise
        found, recorded = started[0].trial, {}
    trials = {found, *(entry.trial for entry in started)}
    if len(trials) > 1:
        raise AmbiguousTrial(prefix, tuple(sorted(trials)))
    return found, {entry.attempt: {"log": entry.log} for entry in started} | recorded


def lost_nodes(sweep: Sweep) -> dict[str, str]:
    """Return the node of each trial whose last attempt lost it."""
    lost = (
        trial
        for trial, attempts in sweep.index.trials.items()
        if attempts[-1].outcome is Outcome.node_failed
    )
    nodes = {trial: sweep.store.read(sweep.name, trial)[-1].get("node") for trial in lost}
    return {trial: node for trial, node in nodes.items() if node}


def _trial(store: Store, sweeps: Mapping[str, Sweep], prefix: str) -> tuple[str, str]:
    found = {
        (name, spec.trial_id)
        for name, sweep in sweeps.items()
        for spec in sweep.latest.specs
        if spec.trial_id.startswith(prefix)
    }  # fmt: skip
    if not found:
        raise UnknownTrial(prefix, tuple(sweeps), store.root)
    if len({trial for _, trial in found}) > 1:
        raise AmbiguousTrial(prefix, tuple(sorted(trial for _, trial in found)))
    return min(found)
