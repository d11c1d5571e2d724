"""The workload as a worker runs it: its columns reach the record, and a preempted attempt goes on
in the next."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from artifacts.record import Outcome
from jobs.execute import execute
from jobs.measure.readings import Readings
from jobs.measure.sampler import Sampler
from jobs.spec import JobSpec

PARAMS = {
    "train_subset": 192,
    "test_subset": 64,
    "epochs": 2,
    "split": [0.7, 0.1, 0.2],
    "threads": 1,
}


def spec(**params: Any) -> JobSpec:
    """A small trial."""
    return JobSpec(workload="train", target="cpu", seed=0, params=PARAMS | params)


def test_the_record_gets_every_column_that_can_be_measured_here(tmp_path: Path) -> None:
    finished = execute(spec(), files=tmp_path)
    assert finished.outcome == Outcome.completed
    columns = (
        "train_accuracy val_accuracy test_accuracy train_loss val_loss test_loss best_epoch "
        "epochs_run samples_per_s steps step_p50_s "
        "step_p95_s flops_per_step tflops_per_s data_s build_s warmup_s train_s eval_s write_s "
        "host_rss_gb threads device history"
    )
    assert [name for name in columns.split() if finished.values.get(name) is None] == []
    assert finished.values.get("gpu_mem_allocated_gb") is None


def test_a_preempted_attempt_goes_on_in_the_next(tmp_path: Path) -> None:
    undisturbed = execute(spec(), files=tmp_path / "undisturbed")
    asked: list[bool] = []
    stopped = execute(
        spec(),
        files=tmp_path / "files",
        stop_requested=lambda: len(asked) >= 4 or asked.append(True) is not None,
    )
    assert stopped.outcome == Outcome.preempted
    resumed = execute(spec(), files=tmp_path / "files", attempt=2)
    assert resumed.outcome == Outcome.completed
    assert resumed.values["resumed_from_epoch"] == 2
    assert resumed.values["train_s"] > stopped.values["train_s"] > 0
    for column in (
        "train_loss",
        "val_loss",
        "test_loss",
        "test_accuracy",
        "best_epoch",
        "epochs_run",
        "steps",
    ):
        assert resumed.values[column] == undisturbed.values[column]
    assert len(resumed.values["history"]) == 2


def test_what_disturbed_an_earlier_attempt_disturbs_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Sampler, "readings", lambda _, **how: Readings(["a stranger"]))
        asked: list[bool] = []
        execute(
            spec(),
            files=tmp_path,
            stop_requested=lambda: len(asked) >= 2 or asked.append(True) is not None,
        )
    resumed = execute(spec(), files=tmp_path, attempt=2)
    assert resumed.outcome == Outcome.completed
    assert resumed.values["disturbed"] is True
    assert resumed.values["disturbed_by"] == ["in an earlier attempt: a stranger"]


def test_a_dataset_that_is_not_there_is_a_failure_that_says_how_to_get_it(tmp_path: Path) -> None:
    failed = execute(spec(dataset="mnist"), files=tmp_path)
    assert failed.outcome == Outcome.failed
    assert "runner data prepare mnist" in failed.values["error_message"]


@pytest.mark.parametrize("model", ["simple_cnn", "resnet18"])
@pytest.mark.long
def test_a_warm_process_has_imported_what_a_trial_needs(model: str) -> None:
    code = (
        "import sys; from jobs.execute import warm; from jobs.spec import JobSpec;"
        f"warm(JobSpec(workload='train', target='cpu', seed=0, params={{'model': '{model}'}}));"
        "print('torch._dynamo' in sys.modules, 'torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", str(model == "resnet18")]


@pytest.mark.parametrize(
    ("settings", "spins"),
    [({}, "5000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
    ids=str,
)
def test_waiting_threads_spin_briefly_unless_the_user_says_otherwise(
    settings: dict[str, str], spins: str
) -> None:
    """Read before torch is loaded, so it has to be there by then."""
    code = (
        "import jobs.training.params, sys, os; assert 'torch' not in sys.modules; "
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=inherited | settings,
    )
    assert done.stdout.strip() == spins
