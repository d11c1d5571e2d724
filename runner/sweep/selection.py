"""Names on the command line -> trials of sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from artifacts.errors import AmbiguousTrial, UnknownTrial
from artifacts.store import Store
from runner.errors import NoSweepInFile
from runner.grid.source import load_yaml
from runner.sweep.status import latest_submission, submitted_sweeps, the_sweep

GRID_SUFFIXES: Final = (".yaml", ".yml")


def sweep_of(store: Store, name: str) -> str:
    """Return the sweep that a name means: itself, or the sweep of the grid whose file it is.

    Raises:
        NoSweepInFile: It looks like a file, and no grid with a name is there.
    """
    path = Path(name)
    if name in store.sweeps() or not (path.suffix in GRID_SUFFIXES or path.is_file()):
        return name
    data = load_yaml(path).data
    found = data.get("name") if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise NoSweepInFile(name, path.is_file(), tuple(store.sweeps()))
    return found


def select(store: Store, names: Sequence[str]) -> dict[str, frozenset[str] | None]:
    """Which trials of which sweeps are meant; None stands for all of a sweep.

    Args:
        store: Where the sweeps are.
        names: Names of sweeps, files of their grids, and beginnings of trial ids; the store's only
            sweep if there are none.

    Raises:
        SweepNotNamed: No name, and the store has no sweep or several.
        UnknownTrial: Neither a sweep nor the beginning of a trial of the latest submissions.
        AmbiguousTrial: The beginning of several.
    """
    sweeps = submitted_sweeps(store)
    if not names:
        return {the_sweep(store, None): None}
    names = [sweep_of(store, name) for name in names]
    chosen: dict[str, frozenset[str] | None] = {name: None for name in names if name in sweeps}
    for prefix in (name for name in names if name not in sweeps):
        sweep, trial = _trial(store, sweeps, prefix)
        already = chosen.get(sweep, frozenset())
        chosen[sweep] = None if already is None else already | {trial}
    return chosen


def _trial(store: Store, sweeps: Sequence[str], prefix: str) -> tuple[str, str]:
    found = {
        (sweep, spec.trial_id)
        for sweep in sweeps
        for spec in latest_submission(store, sweep).specs
        if spec.trial_id.startswith(prefix)
    }  # fmt: skip
    if not found:
        raise UnknownTrial(prefix, tuple(sweeps), store.root)
    if len({trial for _, trial in found}) > 1:
        raise AmbiguousTrial(prefix, tuple(sorted(trial for _, trial in found)))
    return min(found)
