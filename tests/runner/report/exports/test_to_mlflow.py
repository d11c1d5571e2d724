"""Runs as MLflow has them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import runner
from artifacts.store import Store
from runner.housekeeping.rename import rename
from runner.report.exports.runs import Exported, ToolRefused, runs_of
from runner.report.exports.to_mlflow import export
from tests.runner.report.exports.conftest import HOSTILE, A, B, C

pytest.importorskip("mlflow")


def exported(store: Store, target: Path) -> Exported:
    return export(runs_of(runner.load(store.root).to_arrow(), store), str(target))


def test_runs_carry_everything_and_come_once(store: Store, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    done = exported(store, tmp_path / "ml")
    assert (done.added, done.known) == (3, 0)
    client = MlflowClient(tracking_uri=done.place)
    experiment = client.get_experiment_by_name("study")
    assert experiment is not None

    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    good, bad, stopped = found[A], found[B], found[C]
    assert {name: run.info.status for name, run in found.items()} == {
        A: "FINISHED", B: "FAILED", C: "KILLED",
    }  # fmt: skip
    assert good.data.params == {
        "lr": "0.1", "model": "resnet18", "nesterov": "true", "split": "[0.8,0.1,0.1]",
        "workload": "train", "target": "cpu", "seed": "1",
    }  # fmt: skip
    assert good.data.metrics["test_accuracy"] == 0.875
    assert good.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert good.data.tags["runner.outcome"] == "completed"
    curve = client.get_metric_history(good.info.run_id, "epoch/val_loss")
    assert sorted((one.step, one.value) for one in curve) == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert (good.info.start_time, good.info.end_time) == (1_700_000_000_000, 1_700_000_060_000)

    # Names that MLflow does not take, and values that it cannot hold.
    assert HOSTILE in bad.data.params.values()
    assert bad.data.params["a_.._b"] == "2"
    assert [value for name, value in bad.data.params.items() if name.startswith("a_.._b_")] == ["1"]
    assert len(bad.data.params["long"]) == 6000
    assert len(bad.data.tags["runner.traceback"]) == 8000
    assert math.isnan(bad.data.metrics["epoch/val_loss"])
    assert bad.data.tags["runner.note"] == "good"
    assert any("'long' of 1 run is longer than the 6000 characters" in said for said in done.notes)
    assert any(f"'{HOSTILE}' is called" in said for said in done.notes)
    assert not stopped.data.metrics.keys() - {"total_s"}

    # Again, also under another name, and after a kill in the middle of a run.
    rename(store, "study", "monday")
    client.update_run(good.info.run_id, status="RUNNING")
    again = exported(store, tmp_path / "ml")
    assert (again.added, again.known) == (1, 2)
    assert client.get_experiment_by_name("monday") is None
    assert len(client.search_runs([experiment.experiment_id])) == 3
    assert client.get_run(good.info.run_id).info.status == "FINISHED"
    assert len(client.get_metric_history(good.info.run_id, "epoch/val_loss")) == 3


def test_what_cannot_be_written_to_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolRefused, match=str(tmp_path / "file")):
        exported(store, tmp_path / "file")
