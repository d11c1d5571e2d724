"""Means over trials of other data or other packages say so."""

from __future__ import annotations

import json
from pathlib import Path

from artifacts.preferred import Preferred
from runner.report.origins import Latest, origin_notes
from runner.report.summary import summarize
from runner.sweep.surroundings import digest_of
from tests.runner.report.making import SWEEP, collected, record

NOW = {"numpy": "2.1.0", "torch": "2.5.1"}
BEFORE = {"numpy": "2.1.0", "scipy": "1.14", "torch": "2.4.0"}
NODE = {**NOW, "numpy": "1.26.4"}
LATEST = {SWEEP: Latest(SWEEP, Preferred(data=frozenset({"d2"})), NOW, [BEFORE, NOW])}


def test_trials_that_stem_from_something_else_are_counted(tmp_path: Path) -> None:
    differ = json.dumps({"numpy": ["2.1.0", "1.26.4"]})
    table = collected(
        tmp_path,
        record(1, {"dataset": "npz:a.npz"}, data_digest="d1", packages_digest=digest_of(BEFORE)),
        record(2, {"dataset": "npz:a.npz"}, data_digest="d2", packages_digest=digest_of(NOW)),
        record(
            3, {"dataset": "npz:a.npz"}, packages_digest=digest_of(NODE), packages_differ=differ
        ),
        record(4, {"dataset": "npz:a.npz"}),  # of an earlier version: nothing is known
        record(5, {"dataset": "npz:b.npz"}, data_digest="d3", outcome="failed"),
    )
    assert origin_notes(table, LATEST) == [
        "1 of 4 completed trials was computed on other data than the latest submission's "
        "(npz:a.npz)",
        "2 of 4 completed trials were computed with other packages than the latest submission's "
        "(scipy 1.14, now gone; torch 2.4.0, now 2.5.1; numpy 1.26.4, now 2.1.0)",
    ]
    assert origin_notes(table, {}) == []


def test_a_cell_over_several_data_says_so_and_not_for_several_datasets(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        record(1, {"dataset": "a"}, data_digest="d1", test_accuracy=0.5),
        record(2, {"dataset": "b"}, data_digest="d2", test_accuracy=0.5),
        record(3, {"dataset": "b"}, test_accuracy=0.5),
    )
    assert dict.fromkeys(name for name, *_ in summarize(table, ["target"]).averaged) == {
        "dataset": None
    }
    mixed = collected(
        tmp_path / "mixed",
        record(1, {"lr": 1}, data_digest="d1", test_accuracy=0.5),
        record(2, {"lr": 1}, data_digest="d2", seed=1, test_accuracy=0.5),
    )
    assert ("data_digest", 2, 2) in summarize(mixed, ["lr"]).averaged
