"""`runner compare`, on records of a real store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import runner
from artifacts.store import Store
from tests.runner.cli.conftest import Run
from tests.runner.report.making import publish, record


def store_of(folder: Path, factor: float = 1.0) -> Store:
    """Five seeds of amp off and on; on takes half the time, and ``factor`` scales all times."""
    return publish(
        folder,
        *(
            record(
                seed + 10 * on,
                {"amp": "fp16" if on else "off"},
                seed=seed,
                test_accuracy=0.9 + 0.001 * seed + 0.0001 * on * (seed % 3),
                train_s=factor * (5 if on else 10) * (1 + 0.003 * ((seed * (on + 2)) % 5)),
            )
            for on in (0, 1)
            for seed in range(5)
        ),
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of(tmp_path / "store")


def test_the_verdict_stands_beside_effect_and_interval(run: Run, store: Store) -> None:
    done = run("compare", "amp", "--store", str(store.root), "--margin", "accuracy=0.5%")
    assert done.code == 0
    assert "amp: fp16 against off" in done.out
    assert "train_s: ratio, less is better" in done.out
    (times,) = (line for line in done.out.splitlines() if "×0.5" in line)
    assert times.split()[-1] == "better"
    assert "equivalent within 0.5 points" in done.out
    assert "2 tests" in done.out
    assert "Model T (5 trials)" in done.out


def test_json_and_python_say_the_same(run: Run, store: Store) -> None:
    done = run("compare", "amp", "--store", str(store.root), "--json")
    plain = json.loads(done.out)
    found = runner.load(store.root).compare("amp", reference="off")
    assert [effect["verdict"] for effect in plain["effects"]] == ["undecided", "better"]
    assert plain["effects"][1]["effect"] == found["effects"][1]["effect"]
    sides = runner.load(store.root).compare(a="amp=fp16", b="amp=off")
    assert [effect["effect"] for effect in sides["effects"]] == [
        effect["effect"] for effect in found["effects"]
    ]


def test_a_regression_against_a_baseline_is_exit_code_1(
    run: Run, store: Store, tmp_path: Path
) -> None:
    slow = store_of(tmp_path / "slow", factor=1.3)
    found = run("compare", "--store", str(slow.root), "--baseline", str(store.root))
    assert found.code == 1
    assert "regressions found" in found.out
    same = run("compare", "--store", str(store.root), "--baseline", str(store.root))
    assert same.code == 0
    assert "no regressions found" in same.out
    assert "equivalent within 5 %" in same.out, "the margin is said"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to compare"),
        (["--a", "amp=off"], "belong together"),
        (["amp", "--reference", "bf16"], "fp16"),
        (["amp", "--margin", "accuracy"], "accuracy=0.5%"),
        (["amp", "--metric", "train_s:up"], "COLUMN:more"),
        (["--a", "amp=off", "--b", "amp!=fp16"], "both sides"),
    ],
)
def test_wrong_usage_is_told(run: Run, store: Store, arguments: list[str], message: str) -> None:
    done = run("compare", *arguments, "--store", str(store.root))
    assert done.code == 2
    assert message in done.err


def test_nothing_to_compare_is_told(run: Run, store: Store) -> None:
    done = run("compare", "target", "--store", str(store.root))
    assert done.code == 1
    assert "amp would do" in done.err


def test_the_best_and_the_front_are_shown(run: Run, store: Store) -> None:
    best = run("compare", "--best", "--metric", "train_s", "--store", str(store.root))
    assert best.code == 0
    assert "amp=fp16" in best.out
    front = run("compare", "--pareto", "time", "--store", str(store.root), "--json")
    points = {point["cell"]["amp"]: point for point in json.loads(front.out)}
    assert points["fp16"]["on_front"]
    assert not points["off"]["on_front"]
    both = run("compare", "--best", "--baseline", str(store.root), "--store", str(store.root))
    assert both.code == 2
