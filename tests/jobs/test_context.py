"""A workload can say what it measured, and nothing else."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from artifacts.record import RESERVED
from jobs import errors
from jobs.context import NOTABLE, Context
from jobs.measure.readings import Readings
from jobs.position import Position


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(files=tmp_path / "files" / "trial")


def test_folders_are_made_when_they_are_asked_for(context: Context, tmp_path: Path) -> None:
    assert not context.resumed
    assert list(tmp_path.iterdir()) == []
    (context.checkpoint_folder / "state").touch()
    assert context.resumed
    assert context.checkpoint_folder.parent == context.files == tmp_path / "files" / "trial"


@pytest.mark.parametrize(
    "name",
    ["trial", "outcome", "train_s", "gpu_name", "cpus_granted", "device", "total_s", "color"],
)
def test_what_the_runner_measures_cannot_be_claimed(context: Context, name: str) -> None:
    with pytest.raises(errors.BadMetric, match=name):
        context.note(**{name: 1})
    assert context.noted == {}


def test_metrics_are_columns_of_the_record() -> None:
    assert NOTABLE <= RESERVED
    assert {
        "test_accuracy",
        "samples_per_s",
        "gpu_mem_allocated_gb",
        "engine",
        "threads",
        "resumed_from_epoch",
    } <= NOTABLE


@pytest.mark.parametrize(
    ("given", "noted"),
    [
        ({"test_accuracy": np.float64(0.5)}, 0.5),
        ({"steps": np.int64(3)}, 3),
        ({"steps": 3.0}, 3),
        ({"train_loss": float("inf")}, float("inf")),
        ({"val_accuracy": None}, None),
        ({"engine": "sklearn"}, "sklearn"),
    ],
)
def test_numbers_of_all_kinds_are_numbers(
    context: Context, given: dict[str, Any], noted: Any
) -> None:
    context.note(**given)
    (value,) = context.noted.values()
    assert value == noted
    assert type(value) is type(noted)


@pytest.mark.parametrize(
    "given",
    [
        {"test_accuracy": 50},
        {"test_accuracy": 1.001},
        {"test_accuracy": -0.01},
        {"test_accuracy": float("inf")},
        {"train_loss": "low"},
        {"train_loss": 10**400},
        {"steps": 1.5},
        {"steps": 1e300},
        {"steps": float("nan")},
        {"val_loss": [1]},
        {"diverged": "yes"},
    ],
)
def test_what_is_no_such_number_is_refused(context: Context, given: dict[str, Any]) -> None:
    with pytest.raises(errors.BadMetric):
        context.note(**given)


@pytest.mark.parametrize(
    "given", [{"test_accuracy": 50}, {"train_loss": "low"}, {"custom": 10**400}, {"val_loss": [1]}]
)
def test_an_epoch_with_no_such_number_is_refused(context: Context, given: dict[str, Any]) -> None:
    with pytest.raises(errors.BadMetric):
        context.report(1, **given)
    assert context.history == []


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.float32(1.0) + np.float32(1.2e-7), 1.0),
        (-1e-8, 0.0),
        (float("nan"), float("nan")),
        (0.25, 0.25),
    ],
)
def test_rounding_and_divergence_are_no_mistakes_of_an_accuracy(
    context: Context, value: Any, kept: float
) -> None:
    context.note(test_accuracy=value)
    context.report(1, val_accuracy=value)
    np.testing.assert_equal(
        [context.noted["test_accuracy"], context.history[0]["val_accuracy"]], [kept, kept]
    )


def test_epochs_are_kept_as_they_were_reported(context: Context) -> None:
    reported: list[Any] = [0.5, 1.0, 1.5, 2, np.int64(3), 3_000_000_000]
    for epoch in reported:
        context.report(epoch, train_loss=0.5)
    assert [entry["epoch"] for entry in context.history] == reported
    assert [type(entry["epoch"]) for entry in context.history] == [float, int, float, int, int, int]


@pytest.mark.parametrize("epoch", [None, "1", float("nan"), float("inf"), 2**53 + 1, 10**400, [1]])
def test_an_epoch_that_is_no_exact_number_is_refused(context: Context, epoch: Any) -> None:
    with pytest.raises(errors.BadMetric, match="epoch"):
        context.report(epoch, train_loss=0.5)
    assert context.history == []


def test_history_and_ledger_go_on_after_a_resume(context: Context) -> None:
    context.report(3, train_loss=0.3)
    context.carry(
        {
            "phases": {"train": 20.0, "eval": 1.0},
            "history": [{"epoch": 1}, {"epoch": 2}],
            "readings": {},
        }
    )
    context.report(4, custom=1)
    assert [entry["epoch"] for entry in context.history] == [1, 2, 3, 4]
    assert context.phases()["train"] == pytest.approx(20.0)


def test_a_disturbed_attempt_makes_the_whole_trial_disturbed(context: Context) -> None:
    context.watch(lambda: Readings(["load"], {"cpu_energy_j": 5.0}))
    snapshot = msgspec.json.decode(msgspec.json.encode(context.snapshot()))
    resumed = Context(files=context.files)
    resumed.carry(snapshot)
    assert resumed.readings().disturbed_by == ["in an earlier attempt: load"]
    resumed.watch(lambda: Readings([], {"cpu_energy_j": 7.0}))
    assert resumed.readings() == Readings(["in an earlier attempt: load"], {"cpu_energy_j": 12.0})


def test_a_third_attempt_goes_on_from_both_before_it(context: Context) -> None:
    snapshot: dict[str, Any] = {"phases": {}, "history": [], "readings": {"disturbed_by": []}}
    for number in (1, 2, 3):
        attempt = Context(files=context.files)
        attempt.watch(partial(Readings, [f"load {number}"], {"cpu_energy_j": 10.0**number}))
        if number > 1:
            attempt.carry(snapshot)
        attempt.report(number, train_loss=0.5)
        snapshot = msgspec.json.decode(msgspec.json.encode(attempt.snapshot()))
    assert [entry["epoch"] for entry in snapshot["history"]] == [1, 2, 3]
    assert attempt.readings() == Readings(
        ["in an earlier attempt: load 1", "in an earlier attempt: load 2", "load 3"],
        {"cpu_energy_j": 1110.0},
    )


@pytest.mark.parametrize(
    ("granted", "said", "recorded"),
    [("cuda", "cpu", "cpu"), ("cuda", "cuda:0", "cuda"), ("cpu", "cpu", "cpu")],
)
def test_a_workload_says_where_it_computed(
    tmp_path: Path, granted: Any, said: Any, recorded: str
) -> None:
    context = Context(files=tmp_path, device=granted)
    context.device = said
    assert context.device == recorded


@pytest.mark.parametrize(("granted", "said"), [("cpu", "cuda"), ("cuda", "mps"), ("cuda", None)])
def test_it_cannot_say_what_it_was_not_granted(tmp_path: Path, granted: Any, said: Any) -> None:
    context = Context(files=tmp_path, device=granted)
    with pytest.raises(errors.BadMetric, match="device"):
        context.device = said
    assert context.device == granted


def test_an_unknown_phase_is_told(context: Context) -> None:
    with pytest.raises(errors.UnknownPhase, match="did you mean 'train'"), context.phase("trian"):
        pass


@pytest.mark.parametrize(
    "error",
    [
        errors.UnknownWorkload("trian", ("train",)),
        errors.BadWorkload("a:b", "why"),
        errors.BadParameters("svm", (("C", "why"),)),
        errors.BadResult((("x", "why"), ("", "why"))),
        errors.BadMetric("x", "why"),
        errors.UnknownPhase("x", ("train",)),
        errors.WrongDevice("1 GPU", "no GPU"),
        errors.EngineMissing("sklearnex", "why"),
        errors.StopRequested(),
    ],
)
def test_errors_travel_between_processes(error: errors.JobsError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.args == error.args


def test_the_position_is_what_was_reported_last(context: Context) -> None:
    assert context.position() == Position()
    with context.phase("train"):
        context.report(1, train_loss=0.5, val_accuracy=0.25, samples_per_s=10)
        assert context.position() == Position("train", 1, 0.5, 0.25, 10)
        context.report(2, loss=0.75, accuracy=0.5)
        assert context.position() == Position("train", 2, 0.75, 0.5)
        context.track(lambda: {"epoch": 2.5, "samples_per_s": 20.0})
        assert context.position() == Position("train", 2.5, 0.75, 0.5, 20.0)
