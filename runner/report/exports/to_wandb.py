"""Writes runs for Weights & Biases without a login, as its offline mode leaves them; ``wandb sync``
uploads them later.

A run has an id made of its key. A file in ``exported/`` says that it is complete, so it is not
written again; what a kill left half-written is removed and written anew.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from artifacts.publish import make_folder, translate_write_errors
from runner.errors import LibraryMissing
from runner.housekeeping.copying import delete
from runner.report.exports.runs import Exported, Run, ToolRefused, plain_text
from runner.report.printable import shown

CURVES: Final = "epoch/"
"""Before the names of what each epoch has."""
_DONE: Final = "exported"
_FORBIDDEN: Final = re.compile(r"[/\\#?%:]")
"""In names of projects, which have 128 characters at most."""
_LONGEST_PROJECT: Final = 128
_QUIET: Final = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
}


def export(runs: Iterable[Run], folder: Path) -> Exported:
    """Write the runs that are not there yet, to ``folder/wandb/offline-run-<time>-<id>``.

    Raises:
        LibraryMissing: wandb is not installed.
        ToolRefused: It does not work here.
        StoreFull, StoreNotWritable: The folder cannot be written to.
    """
    before = {name: os.environ.get(name) for name in _QUIET}
    os.environ.update(_QUIET)
    try:
        return _export(runs, folder)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _export(runs: Iterable[Run], folder: Path) -> Exported:
    try:
        import wandb
    except ImportError as error:
        raise LibraryMissing("wandb", "export --wandb-offline") from error
    exported = Exported(str(folder))
    make_folder(folder / _DONE)
    try:
        for run in runs:
            run_id = hashlib.sha256(run.key.encode()).hexdigest()[:16]
            done = folder / _DONE / run_id
            if done.exists():
                exported.known += 1
                continue
            for half in folder.glob(f"wandb/offline-run-*-{run_id}"):
                delete(half)
            with translate_write_errors(folder):
                _write(wandb, run, run_id, folder)
                done.touch()
            exported.added += 1
    except wandb.Error as error:
        raise ToolRefused("wandb", str(folder), str(error).splitlines()[0]) from error
    finally:
        wandb.teardown()
    return exported


def _write(wandb: Any, run: Run, run_id: str, folder: Path) -> None:
    opened = wandb.init(
        mode="offline",
        project=_project((*run.former, run.sweep)[0]),
        id=run_id,
        name=run.trial,
        dir=str(folder),
        config={
            **_plain(run.params),
            "runner": {
                "sweep": run.sweep,
                "trial": run.trial,
                "attempt": run.attempt,
                "outcome": run.outcome,
                **_plain(run.tags),
            },
        },
        # Of this process nothing is to be said: the trial ran in another.
        settings=wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            x_disable_meta=True,
            x_disable_stats=True,
        ),
    )
    for step, values in run.curves:
        opened.log({f"{CURVES}{shown(name)}": value for name, value in values.items()}, step=step)
    opened.summary.update({_name(name): value for name, value in run.metrics.items()})
    opened.finish(exit_code=0 if run.completed else 1)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _name(name): value
        if value is None or isinstance(value, bool | int | float)
        else shown(plain_text(value))
        for name, value in values.items()
    }


def _name(name: str) -> str:
    """A name that is not one of wandb's own, which begin with an underscore, or ``runner``."""
    name = shown(name)
    return f"own{name}" if name.startswith("_") else "runner_" if name == "runner" else name


def _project(sweep: str) -> str:
    """A name that wandb takes, and no other sweep has."""
    made = _FORBIDDEN.sub("_", sweep)
    if made != sweep or len(made) > _LONGEST_PROJECT:
        digest = hashlib.sha256(sweep.encode()).hexdigest()[:8]
        made = f"{made[: _LONGEST_PROJECT - 9]}_{digest}"
    return made
