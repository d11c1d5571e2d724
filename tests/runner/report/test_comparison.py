"""Comparisons of synthetic stores whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from artifacts.record import Record
from runner.report.comparison import (
    Comparison,
    Overall,
    compare_axes,
    compare_axis,
    compare_sides,
    compare_tables,
    overall,
)
from runner.report.effects import Effect
from runner.report.measures import BadMargin, measures_of, parse_margins
from runner.report.pairing import BadSides, NotAnAxis, NothingToCompare, UnknownLevel
from runner.report.statistics import Method, Verdict
from runner.report.summary import UnknownColumn
from tests.runner.report.making import collected, record


def trials(
    cells: Mapping[str, tuple[Any, ...]],
    *,
    seeds: int,
    accuracy: float = 0.9,
    train_s: float = 10.0,
    noise: int = 0,
    first: int = 0,
    **values: Any,
) -> Iterator[Record]:
    """Trials of every point of the cells, their accuracies and times scattered by 1 %."""
    names = list(cells)
    number = first
    for point in np.ndindex(*(len(cells[name]) for name in names)):
        chosen = {name: cells[name][i] for name, i in zip(names, point, strict=True)}
        for seed in range(seeds):
            rng = np.random.default_rng([noise, number])
            told = {
                "seed": seed,
                "test_accuracy": accuracy + 0.01 * rng.normal(),
                "train_s": train_s * math.exp(0.01 * rng.normal()),
            }
            yield record(number, chosen, **(told | values))
            number += 1


def faster_t4(folder: Path, seeds: int = 5) -> pa.Table:
    """An a30 that takes half as long as a t4, and is as accurate, in two cells."""
    cells = {"model": ("small", "large")}
    return collected(
        folder,
        *trials(cells, seeds=seeds, target="t4", train_s=20, gpu_name="T4"),
        *trials(cells, seeds=seeds, target="a30", first=100, noise=1, gpu_name="A30"),
    )


def of(found: Comparison, metric: str) -> list[Effect]:
    return [effect for effect in found.effects if effect.measure.name == metric]


def test_an_axis_is_compared_per_cell_and_over_all_cells(tmp_path: Path) -> None:
    table = faster_t4(tmp_path)
    found = compare_axis(table, "target", measures_of(table), reference="t4")
    whole, *cells = of(found, "train_s")
    assert (whole.cell, whole.cells, whole.n) == (None, 2, 5)
    assert whole.effect == pytest.approx(0.5, rel=0.03)
    assert whole.low < 0.5 < whole.high
    assert whole.verdict is Verdict.better, "less time is better"
    assert [effect.cell for effect in cells] == [{"model": "large"}, {"model": "small"}]
    assert {effect.verdict for effect in of(found, "test_accuracy")} == {Verdict.undecided}
    assert found.family == 6
    assert found.hardware == {"t4": {"T4": 10}, "a30": {"A30": 10}}


def test_the_direction_follows_the_reference(tmp_path: Path) -> None:
    table = faster_t4(tmp_path)
    found = compare_axis(table, "target", measures_of(table, ["train_s"]))
    assert found.effects[0].b == "a30", "the first by the alphabet"
    assert found.effects[0].effect == pytest.approx(2, rel=0.03)
    assert found.effects[0].verdict is Verdict.worse
    usual = compare_axis(table, "target", measures_of(table, ["train_s"]), usual="t4")
    assert usual.effects[0].b == "t4"
    with pytest.raises(UnknownLevel, match="a30, t4"):
        compare_axis(table, "target", measures_of(table), reference="h100")


def test_the_same_trial_under_another_name_is_never_different(tmp_path: Path) -> None:
    for n in (2, 3, 5, 8, 12):
        rng = np.random.default_rng(n)
        rows: list[Record] = []
        for name in ("a", "b"):
            for seed in range(n):
                same = np.random.default_rng([n, seed]).normal(0.9, 0.01)
                rows.append(
                    record(
                        len(rows), {"label": name}, seed=seed, test_accuracy=same,
                        train_s=10 * math.exp(0.05 * rng.normal()),
                    )
                )  # fmt: skip
        table = collected(tmp_path / str(n), *rows)
        margins = {"accuracy": 0.005, "time": 0.03}
        found = compare_axis(table, "label", measures_of(table, margins=margins))
        verdicts = {effect.measure.name: effect.verdict for effect in found.effects}
        assert verdicts["test_accuracy"] is Verdict.equivalent
        assert verdicts["train_s"] in (Verdict.equivalent, Verdict.undecided), n


def test_two_named_sides_may_differ_in_several_columns(tmp_path: Path) -> None:
    table = collected(
        tmp_path,
        *trials({"model": ("small", "large"), "amp": ("off", "fp16"), "bs": (16, 32)}, seeds=3),
    )
    found = compare_sides(
        table, "model=large,amp=fp16", "model=small,amp=off", measures_of(table, ["train_s"])
    )
    whole, *cells = found.effects
    assert (whole.n, whole.cells) == (3, 2)
    assert [effect.cell for effect in cells] == [{"bs": 16}, {"bs": 32}]
    one = compare_sides(
        table, "model=large", "model=small,amp=off", measures_of(table, ["train_s"])
    )
    assert {(effect.cell["bs"], effect.cell["amp"]) for effect in one.effects if effect.cell} == {
        (16, "fp16"), (32, "fp16"), (16, "off"), (32, "off"),
    }, "the other side's amp is compared with either"  # fmt: skip
    with pytest.raises(BadSides, match="both sides"):
        compare_sides(table, "model=large", "amp=off", measures_of(table))
    with pytest.raises(BadSides, match="no completed trial"):
        compare_sides(table, "model=huge", "model=small", measures_of(table))


def test_a_parameter_that_acts_on_one_side_only_does_not_part_the_pairs(tmp_path: Path) -> None:
    rows = [
        record(
            seed + 10 * i,
            {"optimizer": name, "momentum": momentum},
            seed=seed,
            test_accuracy=0.8 + 0.05 * i + 0.001 * seed**2,
        )
        for i, (name, momentum) in enumerate([("adam", None), ("sgd", 0.9), ("sgd", 0.0)])
        for seed in range(3)
    ]
    table = collected(tmp_path, *rows)
    found = compare_axis(table, "optimizer", measures_of(table))
    assert found.effects[0].cells == 2
    assert {effect.cell["momentum"] for effect in found.effects if effect.cell} == {0.0, 0.9}
    assert not found.missing


def test_one_repeat_has_no_verdict_and_two_have_an_interval(tmp_path: Path) -> None:
    for n, verdicts in ((1, {None}), (2, {Verdict.undecided})):
        table = collected(tmp_path / str(n), *trials({"amp": ("off", "fp16")}, seeds=n))
        found = compare_axis(table, "amp", measures_of(table))
        assert {effect.verdict for effect in found.effects} == verdicts
        assert all(math.isnan(effect.low) == (n == 1) for effect in found.effects)
        assert found.family == (0 if n == 1 else 2)


def test_from_eight_pairs_on_the_bootstrap_is_used(tmp_path: Path) -> None:
    table = collected(tmp_path, *trials({"amp": ("off", "fp16")}, seeds=8))
    found = compare_axis(table, "amp", measures_of(table))
    assert {effect.method for effect in found.effects} == {Method.bootstrap}


def test_missing_partners_are_listed_with_what_became_of_them(tmp_path: Path) -> None:
    rows = [
        record(0, {"amp": "off"}, seed=0, train_s=1),
        record(1, {"amp": "fp16"}, seed=0, train_s=1),
        record(2, {"amp": "off"}, seed=1, train_s=1),
        record(3, {"amp": "fp16"}, seed=1, outcome="timed_out"),
        record(4, {"amp": "off"}, seed=2, train_s=1),
    ]
    table = collected(tmp_path, *rows)
    found = compare_axis(table, "amp", measures_of(table))
    assert [(lone.has, lone.lacks, lone.seed, lone.reason) for lone in found.missing] == [
        ("off", "fp16", 1, "timed_out"),
        ("off", "fp16", 2, "no such trial"),
    ]
    assert found.excluded == {"timed_out": 1}


@pytest.mark.parametrize(
    ("reason", "odd"),
    [
        ("driver", {"driver_version": "9"}),
        ("code", {"code": "c2"}),
        ("data", {"data_digest": "d2"}),
        ("versions", {"torch_version": "9"}),
        ("device", {"gpu_name": "T4"}),
    ],
)
def test_trials_of_one_side_that_ran_otherwise_are_left_out(
    tmp_path: Path, reason: str, odd: dict[str, str]
) -> None:
    usual = {
        "driver_version": "1", "code": "c1", "data_digest": "d1", "torch_version": "1",
        "gpu_name": "A30",
    }  # fmt: skip
    rows = [
        record(
            seed + 10 * (amp == "fp16"),
            {"amp": amp},
            seed=seed,
            train_s=1.0 + seed,
            **dict[str, Any](usual | (odd if (amp, seed) == ("fp16", 2) else {})),
        )
        for amp in ("off", "fp16")
        for seed in range(4)
    ]
    table = collected(tmp_path, *rows)
    found = compare_axis(table, "amp", measures_of(table))
    assert found.excluded == {reason: 1}
    assert found.effects[0].n == 3
    assert [lone.reason for lone in found.missing] == [reason]
    assert compare_axis(table, "amp", measures_of(table), include=[reason]).effects[0].n == 4


def test_what_differs_between_the_sides_is_told_and_not_left_out(tmp_path: Path) -> None:
    rows = [
        record(seed + 10 * (amp == "fp16"), {"amp": amp}, seed=seed, train_s=1.0 + seed, code=amp)
        for amp in ("off", "fp16")
        for seed in range(3)
    ]
    found = compare_axis(table := collected(tmp_path, *rows), "amp", measures_of(table))
    assert not found.excluded
    assert found.also_differ == {"code": (("fp16",), ("off",))}


def test_a_disturbed_trial_keeps_its_accuracy_and_loses_its_times(tmp_path: Path) -> None:
    rows = [
        record(
            seed + 10 * (amp == "fp16"), {"amp": amp}, seed=seed, train_s=1.0, test_accuracy=0.5,
            disturbed=seed == 0,
        )
        for amp in ("off", "fp16")
        for seed in range(3)
    ]  # fmt: skip
    table = collected(tmp_path, *rows)
    found = compare_axis(table, "amp", measures_of(table))
    assert [effect.n for effect in found.effects] == [3, 2]
    assert found.excluded == {"disturbed": 2}
    included = compare_axis(table, "amp", measures_of(table), include=["disturbed"])
    assert [effect.n for effect in included.effects] == [3, 3]


def test_values_that_are_no_number_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [
        record(
            seed + 10 * (amp == "fp16"), {"amp": amp}, seed=seed,
            test_loss=math.nan if (amp, seed) == ("fp16", 1) else 0.5, train_s=seed,
        )
        for amp in ("off", "fp16")
        for seed in range(3)
    ]  # fmt: skip
    table = collected(tmp_path, *rows)
    found = compare_axis(table, "amp", measures_of(table, ["test_loss", "train_s"]))
    assert [effect.n for effect in found.effects] == [2, 2]
    assert found.excluded == {"without a finite test_loss": 1, "without a positive train_s": 2}


def test_splits_that_are_repeated_are_part_of_the_repeat(tmp_path: Path) -> None:
    rows = [
        record(
            seed + 10 * (amp == "fp16"), {"amp": amp, "split_seed": seed}, test_accuracy=seed / 9
        )
        for amp in ("off", "fp16")
        for seed in range(4)
    ]
    found = compare_axis(table := collected(tmp_path, *rows), "amp", measures_of(table))
    assert [(effect.n, effect.cell) for effect in found.effects] == [(4, {})]
    assert not found.one_split


def test_pooling_averages_the_cells_of_each_seed_first(tmp_path: Path) -> None:
    effects = {"small": 0.1, "large": 0.3}
    rows = [
        record(
            len(effects) * seed + 100 * on + i,
            {"model": model, "amp": "on" if on else "off"},
            seed=seed,
            test_accuracy=0.1 * seed + on * effects[model] + 1e-3 * seed * i,
        )
        for seed in range(5)
        for on in (0, 1)
        for i, model in enumerate(effects)
    ]
    found = compare_axis(table := collected(tmp_path, *rows), "amp", measures_of(table))
    whole = found.effects[0]
    assert (whole.cells, whole.n, whole.effect) == (2, 5, pytest.approx(0.2))
    assert compare_axis(table, "amp", measures_of(table), pooled=True).family == 1


def test_repeats_that_never_differ_are_known_to_their_rounding_only(tmp_path: Path) -> None:
    """An SVM gives the same accuracy for every seed, of so many test images."""
    right = {("linear", 1): 349, ("linear", 10): 350, ("rbf", 1): 353, ("rbf", 10): 357}
    made = (
        record(10 * i + seed, {"kernel": kernel, "C": c}, seed=seed, test_accuracy=n / 359)
        for i, ((kernel, c), n) in enumerate(right.items())
        for seed in range(3)
    )
    table = collected(tmp_path, *made)
    found = compare_axis(table, "kernel", measures_of(table), reference="linear")
    for effect in of(found, "test_accuracy"):
        assert effect.low < effect.effect < effect.high


def test_a_store_is_judged_against_an_earlier_one(tmp_path: Path) -> None:
    cells = {"model": ("small", "large")}
    before = collected(tmp_path / "before", *trials(cells, seeds=5))
    margins = {"accuracy": 0.05, "time": 0.1}
    for slower, expected in ((1.0, Overall.none), (1.5, Overall.found)):
        now = collected(
            tmp_path / str(slower), *trials(cells, seeds=5, noise=1, train_s=10 * slower)
        )
        found = compare_tables(now, before, measures_of(now, margins=margins))
        assert overall(found) is expected
    unclear = compare_tables(now, before, measures_of(now, ["test_accuracy"]))
    assert overall(unclear) is Overall.undecided


def test_independent_sides_need_no_common_seed(tmp_path: Path) -> None:
    cells = {"model": ("small", "large")}
    before = collected(tmp_path / "before", *trials(cells, seeds=4))
    now = collected(tmp_path / "now", *trials(cells, seeds=6, noise=1, train_s=20))
    found = compare_tables(now, before, measures_of(now, ["train_s"]), independent=True)
    assert {effect.method for effect in found.effects} == {Method.welch}
    assert [(effect.cells, effect.n) for effect in found.effects] == [(2, 4), (1, 4), (1, 4)]
    assert {effect.verdict for effect in found.effects} == {Verdict.worse}


def test_several_axes_are_one_family(tmp_path: Path) -> None:
    table = collected(
        tmp_path, *trials({"model": ("small", "large"), "amp": ("off", "fp16")}, seeds=3)
    )
    found = compare_axes(table, ["model", "amp", "target"], measures_of(table))
    assert [comparison.axis for comparison in found] == ["model", "amp"]
    assert {comparison.family for comparison in found} == {4}


def test_what_is_undecided_says_how_many_repeats_would_decide_it(tmp_path: Path) -> None:
    rows = [
        record(seed + 10 * on, {"on": bool(on)}, seed=seed,
               results={"score": 0.3 * on + [0, 0.5, -0.2, 0.1][seed] * (1 + on)})
        for on in (0, 1) for seed in range(4)
    ]  # fmt: skip
    table = collected(tmp_path, *rows)
    (effect,) = compare_axis(table, "on", measures_of(table, ["score"])).effects
    assert effect.verdict is Verdict.undecided
    assert effect.more is not None
    assert 1 <= effect.more <= 50


def test_what_cannot_be_compared_is_an_error(tmp_path: Path) -> None:
    table = collected(tmp_path, *trials({"amp": ("off", "fp16")}, seeds=2))
    with pytest.raises(NothingToCompare, match="amp would do"):
        compare_axis(table, "target", measures_of(table))
    with pytest.raises(UnknownColumn, match="amp"):
        compare_axis(table, "ampp", measures_of(table))


def test_null_is_a_value_where_the_workload_has_the_parameter(tmp_path: Path) -> None:
    rows = [
        *(
            record(10 * i + seed, {"decay": decay}, seed=seed, train_s=1.0 + i + 0.01 * seed)
            for i, decay in enumerate((1e-3, None))
            for seed in range(3)
        ),
        record(99, {"other": 1}, workload="mine:f", train_s=1.0),
    ]
    table = collected(tmp_path, *rows)
    (effect,) = compare_axis(table, "decay", measures_of(table)).effects
    assert (effect.a, effect.b, effect.n) == ("0.001", "null", 3)
    with pytest.raises(NotAnAxis, match="workload, decay would do"):
        compare_axis(table, "seed", measures_of(table))


def test_margins_are_read_by_metric_and_kind(tmp_path: Path) -> None:
    assert parse_margins("accuracy=0.5%,train_s=3%, loss=0.1") == {
        "accuracy": 0.005, "train_s": 0.03, "loss": 0.1,
    }  # fmt: skip
    for wrong in ("accuracy", "time=-1%", "time=0", "time=x", "=3%"):
        with pytest.raises(BadMargin):
            parse_margins(wrong)
    table = collected(tmp_path, *trials({"amp": ("off", "fp16")}, seeds=2))
    with pytest.raises(BadMargin, match="speed"):
        measures_of(table, margins={"speed": 0.1})


def test_directions_and_scales_are_known(tmp_path: Path) -> None:
    rows = [
        record(0, {}, test_loss=0.5, samples_per_s=3.0, gpu_energy_j=5.0, host_rss_gb=1.0,
               results={"score": 1.0, "latency_ms": 2.0, "rmse": 3.0, "tokens_per_s": 4.0,
                        "oddness": 1.0})
    ]  # fmt: skip
    table = collected(tmp_path, *rows)
    names = ["test_loss", "samples_per_s", "gpu_energy_j", "host_rss_gb", "score", "latency_ms",
             "rmse", "tokens_per_s", "oddness:more"]  # fmt: skip
    found = {measure.name: measure for measure in measures_of(table, names)}
    assert {name for name, measure in found.items() if measure.more_is_better} == {
        "samples_per_s", "score", "tokens_per_s", "oddness",
    }  # fmt: skip
    assert {name for name, measure in found.items() if measure.ratio} == {
        "samples_per_s", "gpu_energy_j", "host_rss_gb", "latency_ms", "tokens_per_s",
    }  # fmt: skip
