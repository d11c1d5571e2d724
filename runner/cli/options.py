"""Define the options and arguments that several commands share, and their completion in a shell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runner.cli import output

if TYPE_CHECKING:
    from artifacts.store import Store

DEFAULT_STORE = Path("results")


def complete_sweep(context: typer.Context, incomplete: str) -> list[str]:
    """Return the sweeps of the store that the command line names, if they start so."""
    return [name for name in _sweeps(_store_of(context)) if name.startswith(incomplete)]


def complete_trial(context: typer.Context, incomplete: str) -> list[str]:
    """Return the trials that have started, from the journals: opening thousands of records would
    take too long."""
    from runner.sweep.journal import Follower

    store = _store_of(context)
    entries = (
        entry
        for sweep in _sweeps(store)
        for entry in Follower(store / "sweeps" / sweep).new_entries()
    )
    return sorted({entry.trial for entry in entries if entry.trial.startswith(incomplete)})


def _note_store(context: typer.Context, store: Path) -> Path:
    source = context.get_parameter_source("store")
    output.name_store(str(store) if source is not None and source.name == "COMMANDLINE" else None)
    return store


StoreOption = Annotated[
    Path,
    typer.Option(
        "--store",
        metavar="FOLDER",
        envvar="RUNNER_STORE",
        help="Folder of the records.",
        callback=_note_store,
    ),
]
ClusterOption = Annotated[
    Path | None,
    typer.Option(
        "--cluster",
        metavar="FILE",
        help="Profile of the site. By default cluster.yaml beside the grid, then in your config "
        "folder, then a profile of this machine.",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        envvar="RUNNER_DATA",
        help="Folder of the datasets. By default the one that the store remembers.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
SweepsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SWEEP",
        help="Sweeps, by their names or the files of their grids. By default all sweeps.",
        autocompletion=complete_sweep,
    ),
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SWEEP|TRIAL]...",
        help="Sweeps, by their names or the files of their grids, or trials by their ids. By "
        "default the store's only sweep.",
        autocompletion=complete_sweep,
    ),
]
TrialArgument = Annotated[
    str,
    typer.Argument(
        metavar="TRIAL",
        help="Id of a trial, or the beginning of its id.",
        autocompletion=complete_trial,
    ),
]


def sweeps_of(store: Store, names: Sequence[str] | None) -> list[str]:
    """Return the sweeps that the words on the command line mean, each once; print a note if a word
    is a file."""
    from runner.sweep.selection import sweep_of

    found = []
    for name in names or ():
        sweep = sweep_of(store, name)
        if sweep != store.resolve(name):
            output.note(f"{name} is the grid of the sweep '{sweep}'")
        found.append(sweep)
    return list(dict.fromkeys(found))


def check_file(grid: Path, store: Path) -> None:
    """Raise typer.BadParameter unless the file exists. If the name is that of a sweep, the message
    says where the sweep's grid is."""
    from artifacts.store import Store
    from runner.sweep.status import grid_file
    from runner.sweep.sweep import Sweep, submitted_sweeps

    if grid.exists() and not grid.is_dir():
        return
    opened = Store(store)
    if opened.resolve(str(grid)) in submitted_sweeps(opened):
        file = grid_file(Sweep(opened, str(grid)).latest)
        where = (
            f"that sweep was submitted from {file}"
            if file
            else "give the file that it was submitted from"
        )
        raise typer.BadParameter(
            f"'{grid}' is the name of a sweep, but this command takes the file of a grid: {where}",
            param_hint="GRID",
        )
    what = "is a folder" if grid.is_dir() else "does not exist"
    raise typer.BadParameter(
        f"file '{grid}' {what}: 'runner init' writes a first grid.yaml", param_hint="GRID"
    )


def data_folder(store: Path, given: Path | None) -> Path | None:
    """Return the folder of the datasets: the given one, with a note if the store remembers another;
    else the one that the store remembers."""
    from artifacts.store import Store
    from runner.planning.data_folder import remembered

    known = remembered(Store(store))
    if given is None:
        return known
    if known is not None and known != given.resolve():
        output.note(
            f"note: the data folder is {given.resolve()}, but {store} remembers {known}; a submit "
            "makes it remember the new one"
        )
    return given


def grid_step(reason: str) -> None:
    """Propose to plan the grid of this folder, or to write a first one."""
    if Path("grid.yaml").is_file():
        output.next_step("runner plan grid.yaml", reason)
    else:
        output.next_step("runner init", "writes a first grid.yaml")


def _store_of(context: typer.Context) -> Path:
    return Path(context.params.get("store") or os.environ.get("RUNNER_STORE") or DEFAULT_STORE)


def _sweeps(store: Path) -> list[str]:
    names = {
        path.name for folder in ("sweeps", "records", "names") for path in _entries(store / folder)
    }
    return sorted(name for name in names if name.isprintable())  # the shell shows them as they are


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # a completion that fails must not write over the command line
