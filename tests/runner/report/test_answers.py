"""What each axis does, said first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from artifacts.record import Record
from runner.report.answers import answers_of
from runner.report.cells import Trials
from tests.runner.report.making import collected, record


def grid() -> Iterator[Record]:
    """Two optimizers and two batch sizes; one optimizer is much better, the batch size halves the
    time."""
    number = 0
    for optimizer, accuracy in (("adam", 0.9), ("sgd", 0.5)):
        for batch_size, seconds in ((16, 10.0), (32, 5.0)):
            for seed in range(5):
                number += 1
                yield record(
                    number,
                    {"optimizer": optimizer, "batch_size": batch_size},
                    seed=seed,
                    test_accuracy=accuracy + (seed * batch_size % 3) / 1000,
                    train_s=seconds * (1 + (seed + batch_size) % 4 / 100),
                )


def test_each_axis_has_its_effect_its_interval_and_its_verdict(tmp_path: Path) -> None:
    found = answers_of(Trials(collected(tmp_path, *grid())))
    assert found is not None
    rows = {(row.axis, row.value, row.against): row.cells for row in found.rows}
    accuracy, _ = rows["optimizer", "sgd", "adam"]
    _, time = rows["batch_size", "32", "16"]
    assert accuracy is not None
    assert (accuracy.effect, accuracy.kind) == ("-40.00 points", "worse")
    assert accuracy.n == "n = 5 in 2 cells"
    assert time is not None
    assert time.effect.startswith("×0.5")
    assert time.kind == "better"
    assert any("optimizer sgd against adam: test_accuracy -40.00" in said for said in found.decided)
    assert found.not_alone == ()


def test_settings_that_change_together_are_compared_as_a_whole(tmp_path: Path) -> None:
    rounds = (
        ("plain", {"amp": "off", "compile": "off"}, 8.0),
        ("fast", {"amp": "bf16", "compile": "default"}, 2.0),
    )
    records = (
        record(10 * place + seed, settings, group=name, seed=seed, test_accuracy=0.5, train_s=seconds + seed / 100)
        for place, (name, settings, seconds) in enumerate(rounds)
        for seed in range(3)
    )  # fmt: skip
    trials = Trials(collected(tmp_path, *records))
    found = answers_of(trials, order=[f"{0:016x}"])
    assert found is not None
    assert set(found.not_alone) == {"amp", "compile"}
    (row,) = found.rows
    assert (row.value, row.against) == ("fast", "plain")
    assert row.cells[1] is not None
    assert row.cells[1].kind == "better"


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_single_trial_answers_nothing(tmp_path: Path, outcome: str) -> None:
    table = collected(tmp_path, record(1, {"lr": 0.1}, outcome=outcome, test_accuracy=0.5))
    assert answers_of(Trials(table)) is None
