"""Runs as TensorBoard reads them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

import runner
from artifacts.store import Store
from runner.housekeeping.rename import rename
from runner.report.exports.runs import Exported, runs_of
from runner.report.exports.to_tensorboard import export
from tests.runner.report.exports.conftest import HOSTILE, A, B, C


def exported(store: Store, folder: Path) -> Exported:
    return export(runs_of(runner.load(store.root).to_arrow(), store), folder)


def read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def session(events: EventAccumulator, tag: str) -> Any:
    content = events.SummaryMetadata(tag).plugin_data.content
    return plugin_data_pb2.HParamsPluginData.FromString(content)


def test_curves_final_numbers_and_hyperparameters_are_read_back(
    store: Store, tmp_path: Path
) -> None:
    done = exported(store, tmp_path / "events")
    assert (done.added, done.known) == (3, 0)
    events = read(tmp_path / "events" / "study" / f"{A}-1")
    loss = events.Scalars("epoch/val_loss")
    assert [(one.step, one.value) for one in loss] == [
        (1, 1.0),
        (2, 0.5),
        (3, pytest.approx(1 / 3)),
    ]
    assert events.Scalars("epoch/norm")[0].value == 2.0
    assert events.Scalars("final/test_accuracy")[0].value == 0.875
    start = session(events, metadata.SESSION_START_INFO_TAG).session_start_info
    assert start.group_name == f"{store.id}/study/{A}/1"
    assert start.hparams["lr"].number_value == 0.1
    assert start.hparams["nesterov"].bool_value is True
    assert start.hparams["model"].string_value == "resnet18"
    assert start.hparams["split"].string_value == "[0.8,0.1,0.1]"
    end = session(events, metadata.SESSION_END_INFO_TAG).session_end_info
    assert end.status == 1  # success
    hostile = read(tmp_path / "events" / "study" / f"{B}-1")
    (point,) = hostile.Scalars("epoch/val_loss")
    assert math.isnan(point.value)
    start = session(hostile, metadata.SESSION_START_INFO_TAG).session_start_info
    assert HOSTILE in start.hparams


def test_again_adds_nothing_twice_also_under_another_name(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "events"
    exported(store, folder)
    before = sorted(folder.rglob("*"))
    rename(store, "study", "monday")
    again = exported(store, folder)
    assert (again.added, again.known) == (0, 3)
    assert sorted(folder.rglob("*")) == before
    for path in (folder / "study" / f"{C}-1").iterdir():
        path.unlink()
    (folder / "study" / f"{C}-1").rmdir()
    assert exported(store, folder).added == 1
