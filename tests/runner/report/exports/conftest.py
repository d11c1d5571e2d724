"""A store with what exports have to carry: curves, failures, hostile names and values."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifacts.record import Outcome, Record
from artifacts.store import Store

HOSTILE = "<script>\x1b[31m\n../../x"
LONG = "x" * 7000
A, B, C = "00000000000000aa", "00000000000000bb", "00000000000000cc"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three trials of the sweep ``study``."""
    store = Store(tmp_path / "store")
    store.create()
    common = {"workload": "train", "target": "cpu", "seed": 1, "started_at": 1_700_000_000.0}
    history = [
        {"epoch": epoch, "val_loss": 1 / epoch, "val_accuracy": 0.5, "extra": {"norm": 2.0}}
        for epoch in (1, 2, 3)
    ]
    store.publish(
        Record(
            "study",
            A,
            1,
            {"lr": 0.1, "model": "resnet18", "nesterov": True, "split": [0.8, 0.1, 0.1]},
            {
                **common,
                "outcome": Outcome.completed,
                "total_s": 60.0,
                "test_accuracy": 0.875,
                "history": history,
                "commit": "c0ffee",
            },
        )
    )
    store.publish(
        Record(
            "study",
            B,
            1,
            {HOSTILE: HOSTILE, "a/../b": 1, "a_.._b": 2, "long": LONG, "n" * 300: None},
            {
                **common,
                "outcome": Outcome.failed,
                "error_message": HOSTILE,
                "traceback": LONG * 2,
                "history": [{"epoch": 0.5, "val_loss": float("nan")}],
            },
            {"figure": float("inf"), "note": "good", f"{HOSTILE}2": 3},
        )
    )
    store.publish(Record("study", C, 1, {}, {**common, "outcome": Outcome.preempted}))
    return store
