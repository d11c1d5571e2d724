"""Check the store and the data folder on the machine where `runner doctor` is typed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from jobs.data import missing, names
from runner.doctor.findings import Finding, Level
from runner.doctor.node import data_problems


def check_store(store: Path) -> list[Finding]:
    """Check that the store, or the folder in which it would be made, can be written to."""
    root = store.absolute()
    below = [
        folder
        for folder in (root, *(root / name for name in ("records", "sweeps", "files")))
        if folder.exists()
    ]
    looked_at = below or [next(folder for folder in root.parents if folder.exists())]
    for folder in looked_at:
        if not folder.is_dir():
            return [
                Finding(
                    "",
                    Level.REFUSED,
                    f"{folder} is a file, and the store is a folder",
                    "name another one with --store",
                )
            ]
        if not os.access(folder, os.W_OK | os.X_OK):
            fix = (
                "name a folder with --store that you may write to, on a file system that the "
                "nodes share"
            )
            return [
                Finding(
                    "",
                    Level.REFUSED,
                    f"the store cannot be written: {folder} is not yours to write to, or read-only",
                    fix,
                )
            ]
    return []


def check_file_system(folder: Path) -> list[Finding]:
    """Check that the store's file system has locks and hard links, by using them in a folder of the
    store."""
    findings = []
    elsewhere = "or name a store elsewhere with --store"
    one, other = folder / ".linked", folder / ".link"
    with one.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            what = (
                f"the store's file system has no locks (flock: {error.strerror}), without "
                "which "
                "two submits would run the same trials"
            )
            findings.append(
                Finding(
                    "",
                    Level.REFUSED,
                    what,
                    f"have it mounted with them (Lustre: -o flock), {elsewhere}",
                )
            )
    try:
        os.link(one, other)
        other.unlink()
    except OSError as error:
        what = (
            f"the store's file system makes no hard links ({error.strerror}), by which records "
            "are published whole"
        )
        findings.append(
            Finding("", Level.REFUSED, what, f"use a file system that does, {elsewhere}")
        )
    one.unlink()
    return findings


def check_data(data_dir: Path | None) -> list[Finding]:
    """Check that the data folder, if one is named, can be read."""
    problem = data_problems(str(data_dir.absolute()) if data_dir else None, ()).get("")
    if problem is None:
        return []
    return [
        Finding(
            "",
            Level.REFUSED,
            f"the data folder {problem}",
            "name the folder of the datasets with --data-dir, or RUNNER_DATA",
        )
    ]


def readable_datasets(data_dir: Path | None) -> tuple[str, ...]:
    """Return the datasets that can be read here, and that the nodes should read too."""
    return tuple(name for name in names() if missing(name, data_dir) is None)
