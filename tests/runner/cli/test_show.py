"""`runner show`, on records of a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from artifacts.store import Store
from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record

HISTORY = [{"epoch": 1, "val_accuracy": 0.5, "extra": {"margin": 2.0}}]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    failed = record(
        0xAB,
        {"lr": 0.1},
        attempt=1,
        outcome="failed",
        error_type="ValueError",
        traceback="Traceback:\n  line 1\nValueError: no",
        history=HISTORY,
    )
    done = record(
        0xAB,
        {"lr": 0.1},
        attempt=2,
        test_accuracy=0.975,
        train_s=2.5,
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return publish(tmp_path / "store", failed, done, record(0xAC, {"lr": 0.2}))


def test_every_attempt_is_shown_with_units(run: Run, store: Store) -> None:
    done = run("show", f"{0xAB:016x}", "--store", str(store.root))
    assert (done.code, done.err) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert f"trial {0xAB:016x} of study, attempt 1: failed" in lines
    assert f"trial {0xAB:016x} of study, attempt 2: completed" in lines
    for line in (
        "lr 0.1",
        "test_accuracy 97.50 %",
        "train_s 2.5 s",
        "started_at 2026-01-02 00:00:00.000 UTC",
        "ValueError: no",
    ):
        assert line in lines
    assert lines[lines.index("history") + 1 :][:2] == ["epoch val_accuracy margin", "1 0.5 2"]


def test_it_begins_with_outcome_accuracy_times_and_what_differs_from_the_defaults(
    run: Run, store: Store
) -> None:
    publish(
        store.root,
        record(
            0xAF,
            {"lr": 0.1, "optimizer": "sgd", "momentum": None, "epochs": 5},
            test_accuracy=0.975,
            train_s=2.5,
        ),
    )
    done = run("show", f"{0xAF:016x}", "--store", str(store.root))
    assert done.out.splitlines()[:4] == [
        f"trial {0xAF:016x} of study, attempt 0: completed",
        "  test_accuracy 97.50 %",
        "  train 2.5 s",
        "  differs from the defaults: lr 0.1, optimizer sgd",
    ]
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert "momentum 0 (default)" in lines, "the value used, not null"
    failed = record(
        0xA0,
        {"p": None},
        workload="m:f",
        outcome="failed",
        error_type="ValueError",
        error_message="no",
    )
    publish(store.root, failed)
    assert run("show", f"{0xA0:016x}", "--store", str(store.root)).out.splitlines()[1:3] == [
        "  raised an exception: ValueError: no",
        "  parameters: p null",
    ]


def test_a_beginning_of_the_id_is_enough_if_it_is_the_only_one(run: Run, store: Store) -> None:
    assert run("show", f"{0xAB:016x}"[:-1], "--store", str(store.root)).code == 1
    publish(store.root, record(0xF << 60, {}))
    assert "f000000000000000" in run("show", "f", "--store", str(store.root)).out


def test_an_unknown_trial_is_an_error(run: Run, store: Store) -> None:
    done = run("show", "ffff", "--store", str(store.root))
    assert done.code == 1
    assert "ffff" in done.err
    assert done.out == ""


def test_json_has_the_attempts_as_they_were_recorded(run: Run, store: Store) -> None:
    first, second = json.loads(
        run("show", f"{0xAB:016x}", "--json", "--store", str(store.root)).out
    )
    assert (first["outcome"], first["history"]) == (
        "failed",
        [{"epoch": 1, "val_accuracy": 0.5, "margin": 2.0}],
    )
    assert (second["attempt"], second["test_accuracy"], second["started_at"]) == (
        2,
        0.975,
        "2026-01-02T00:00:00Z",
    )


def test_failed_lists_what_did_not_complete_and_why(run: Run, store: Store) -> None:
    publish(
        store.root,
        record(
            0xAD,
            {"lr": 0.3},
            attempt=1,
            outcome="failed",
            error_type="ValueError",
            error_message="diverged\nat step 7",
        ),
    )
    done = run("show", "--failed", "study", "--store", str(store.root))
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["trial", "attempt", "outcome", "lr", "seed", "error_type", "error_message"]
    assert rows[1] == [f"{0xAD:016x}", "1", "failed", "0.3", "0", "ValueError", "diverged"]
    assert rows[2] == [], "a trial whose later attempt completed has not failed"
    publish(
        store.root,
        record(
            0xAE,
            {},
            attempt=1,
            outcome="crashed",
            error_message="Traceback (most recent call last):\n  ...\nOSError: gone",
        ),
    )
    assert "OSError: gone" in run("show", "--failed", "study", "--store", str(store.root)).out
    row, _ = json.loads(run("show", "--failed", "study", "--json", "--store", str(store.root)).out)
    assert row["error_message"] == "diverged\nat step 7"


def test_failed_of_a_sweep_without_failures_says_so(run: Run, store: Store) -> None:
    done = run("show", "--failed", "study", "--store", str(store.root))
    assert (done.code, done.out) == (0, "study: no recorded trial failed\n")
