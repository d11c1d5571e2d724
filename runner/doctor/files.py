"""The store and the data folder, as seen from where `runner doctor` is typed; looks, and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.data import missing, names
from runner.doctor.findings import Finding, Level
from runner.doctor.node import data_problems


def check_store(store: Path) -> list[Finding]:
    """Whether the store, or the folder that it would be made in, may be written to."""
    root = store.absolute()
    below = [folder for folder in (root, *(root / name for name in ("records", "sweeps", "files"))) if folder.exists()]
    looked_at = below or [next(folder for folder in root.parents if folder.exists())]
    for folder in looked_at:
        if not folder.is_dir():
            return [Finding("", Level.REFUSED, f"{folder} is a file, and the store is a folder", "name another one with --store")]
        if not os.access(folder, os.W_OK | os.X_OK):
            cure = "name a folder with --store that you may write to, on a file system that the nodes share"
            return [Finding("", Level.REFUSED, f"the store cannot be written: {folder} is not yours to write to, or read-only", cure)]
    return []


def check_data(data_dir: Path | None) -> list[Finding]:
    """Whether the data folder, if one is named, can be read."""
    problem = data_problems(str(data_dir.absolute()) if data_dir else None, ()).get("")
    if problem is None:
        return []
    return [Finding("", Level.REFUSED, f"the data folder {problem}", "name the folder of the datasets with --data-dir, or RUNNER_DATA")]


def readable_datasets(data_dir: Path | None) -> tuple[str, ...]:
    """The datasets that can be read here, and so ought to be where the trials run."""
    return tuple(name for name in names() if missing(name, data_dir) is None)
