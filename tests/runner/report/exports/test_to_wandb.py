"""Runs as wandb's offline mode leaves them, read back from its own files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import runner
from artifacts.store import Store
from runner.housekeeping.rename import rename
from runner.report.exports.runs import Exported, runs_of
from runner.report.exports.to_wandb import export
from tests.runner.report.exports.conftest import A

pytest.importorskip("wandb")


def exported(store: Store, folder: Path) -> Exported:
    return export(runs_of(runner.load(store.root).to_arrow(), store), folder)


def entries(data: bytes) -> Iterator[bytes]:
    """The entries of a log as LevelDB writes it: checksum, length and kind before each part."""
    place, entry = 7, b""  # after the head of the file
    while place + 7 <= len(data):
        left = 2**15 - place % 2**15
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        entry += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield entry
            entry = b""


def read(file: Path) -> dict[str, Any]:
    """What a run's file holds: configuration, history, summary."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Any] = {"history": [], "config": {}, "summary": {}}
    for data in entries(file.read_bytes()):
        record = wandb_internal_pb2.Record.FromString(data)
        for kind, updates in (
            ("config", [*record.run.config.update, *record.config.update]),
            ("summary", record.summary.update),
        ):
            for item in updates:
                name = item.key or "/".join(item.nested_key)
                found[kind][name] = json.loads(item.value_json)
        if items := record.history.item:
            found["history"].append(
                {
                    item.key or "/".join(item.nested_key): json.loads(item.value_json)
                    for item in items
                }
            )
    return found


def test_runs_are_read_back_and_come_once(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    done = exported(store, folder)
    assert (done.added, done.known) == (3, 0)
    runs = [read(path) for path in sorted(folder.glob("wandb/offline-run-*/*.wandb"))]
    (good,) = [run for run in runs if run["config"]["runner"]["trial"] == A]
    assert good["config"]["lr"] == 0.1
    assert good["config"]["split"] == "[0.8,0.1,0.1]"
    assert good["config"]["runner"]["commit"] == "c0ffee"
    assert good["summary"]["test_accuracy"] == 0.875
    curve = [(entry["_step"], entry["epoch/val_loss"]) for entry in good["history"]]
    assert curve == [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]

    # Again, also under another name, and after a kill in the middle of a run.
    rename(store, "study", "monday")
    next((folder / "exported").iterdir()).unlink()
    again = exported(store, folder)
    assert (again.added, again.known) == (1, 2)
    assert len(list(folder.glob("wandb/offline-run-*"))) == 3
