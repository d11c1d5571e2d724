"""The best configuration of a group, and the front of accuracy and cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from runner.report.choice import NotMeasured, best, pareto
from runner.report.choice_tables import best_table, front_table
from runner.report.measures import measures_of
from tests.runner.report.making import collected, record

LEVELS = {0.1: (0.80, 4.0), 0.01: (0.90, 8.0), 0.001: (0.85, 9.0)}
"""True accuracy and time of each learning rate: the last is beaten in both."""


def study(folder: Path, seeds: int) -> pa.Table:
    rng = np.random.default_rng(0)
    return collected(
        folder,
        *(
            record(
                10 * i + seed,
                {"lr": lr},
                seed=seed,
                group="cnn",
                val_accuracy=accuracy + 0.01 * rng.normal(),
                test_accuracy=accuracy,
                train_s=time + 0.1 * rng.normal(),
            )
            for i, (lr, (accuracy, time)) in enumerate(LEVELS.items())
            for seed in range(seeds)
        ),
    )


def test_the_best_is_chosen_on_validation_and_judged_by_seeds_that_did_not_choose(
    tmp_path: Path,
) -> None:
    (found,) = best(study(tmp_path, 6))
    assert found.group == {"group": "cnn"}
    assert (found.winner, found.second) == ({"lr": 0.01}, {"lr": 0.001})
    assert (found.candidates, found.n, found.wins) == (3, 6, 1.0)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.05 < found.high
    assert found.also["test_accuracy"] == pytest.approx(0.9)


def test_a_choice_among_equals_is_not_said_to_lead(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        record(100 * i + seed, {"lr": i}, seed=seed, val_accuracy=0.9 + 0.01 * rng.normal())
        for i in range(20)
        for seed in range(5)
    ]
    (found,) = best(collected(tmp_path, *rows))
    assert found.lead is not None
    assert found.lead > 0, "the best of twenty always leads in the repeats that chose it"
    assert found.low is not None
    assert found.low < 0
    assert found.wins is not None
    assert found.wins < 0.95


def test_with_one_repeat_the_lead_is_said_to_be_optimistic(tmp_path: Path) -> None:
    found = best(study(tmp_path, 1))
    assert (found[0].margin, found[0].wins) == (None, None)
    assert any("optimistic" in note for note in best_table(found).notes)


def test_configurations_that_lack_repeats_are_no_candidates(tmp_path: Path) -> None:
    rows = [
        record(10 * i + seed, {"lr": i}, seed=seed, val_accuracy=0.9 + i / 100)
        for i in range(3)
        for seed in range(1 if i == 2 else 3)
    ]
    (found,) = best(collected(tmp_path, *rows))
    assert (found.winner, found.candidates, found.incomplete) == ({"lr": 1}, 2, 1)


def test_the_front_is_what_nothing_beats_in_both(tmp_path: Path) -> None:
    table = study(tmp_path, 4)
    (measure,) = measures_of(table, ["test_accuracy"])
    _, cost, points = pareto(table, measure, "time")
    assert cost.name == "train_s"
    assert [(point.cell["lr"], point.on_front) for point in points] == [
        (0.1, True), (0.01, True), (0.001, False),
    ]  # fmt: skip
    assert [point.share for point in points] == [1.0, 1.0, 0.0]
    assert len(front_table(points, measure, cost).rows) == 2
    with pytest.raises(NotMeasured, match="gpu_energy_j"):
        pareto(table, measure, "energy")


def test_a_front_needs_something_that_is_good(tmp_path: Path) -> None:
    with pytest.raises(NotMeasured, match="test_accuracy"):
        pareto(collected(tmp_path, record(0, {"lr": 1}, train_s=1.0)), None, "time")
