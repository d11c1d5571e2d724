"""Workloads can be asked about their parameters without importing what computes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import BadParameters, UnknownWorkload
from jobs.hardware import CPU
from jobs.registry import Workload, workload
from jobs.spec import JobSpec

FIRST_RELEASE: dict[str, dict[str, Any]] = {
    "train": {
        "amp": "off",
        "batch_size": 64,
        "dataset": "digits",
        "epochs": 5,
        "loader": "resident",
        "lr": 0.001,
        "model": "simple_cnn",
        "momentum": None,
        "optimizer": "adam",
        "schedule": "none",
        "split": "official",
        "split_seed": 0,
        "weight_decay": None,
    },
    "svm": {
        "C": 1.0,
        "coef0": 0.0,
        "dataset": "digits",
        "degree": 3,
        "engine": "auto",
        "gamma": "scale",
        "kernel": "rbf",
        "scaling": "unit",
        "split": "official",
        "split_seed": 0,
        "test_subset": None,
        "train_subset": None,
    },
}


def trial_id(name: str, raw: dict[str, Any]) -> str:
    found = workload(name)
    return JobSpec(
        workload=name, target="cpu", seed=0, params=found.canonical(found.read(raw))
    ).trial_id


def problems_of(found: Workload, raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(BadParameters) as caught:
        found.read(raw)
    return dict(caught.value.problems)


@pytest.mark.parametrize("name", ["train", "svm"])
def test_defaults_written_out_are_the_same_trial(name: str) -> None:
    found = workload(name)
    written = found.written_out(found.read({}))
    assert len(written) > 5
    assert found.canonical(found.read(written)) == {}
    for key, value in written.items():
        assert trial_id(name, {key: value}) == trial_id(name, {})


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("train", {"lr": 1e-2}, {"lr": 0.01}),
        ("train", {"lr": 1}, {"lr": 1.0}),
        ("train", {"epochs": 7}, {"epochs": 7.0}),
        ("svm", {"C": 10, "kernel": "poly"}, {"kernel": "poly", "C": 1e1}),
        ("svm", {"split": [0.5, 0, 0.5]}, {"split": (0.5, 0.0, 0.5)}),
    ],
)
def test_the_spelling_does_not_matter(
    name: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert trial_id(name, one) == trial_id(name, other) != trial_id(name, {})


@pytest.mark.parametrize("name", ["train", "svm"])
def test_the_defaults_that_ids_rest_on_never_change(name: str) -> None:
    """New parameters may be added; what stands here must stay. If it fails, mend the defaults and
    not the test."""
    found = workload(name)
    written = found.written_out(found.read({}))
    assert {key: written[key] for key in FIRST_RELEASE[name]} == FIRST_RELEASE[name]


def test_all_problems_are_told_at_once() -> None:
    problems = problems_of(
        workload("svm"),
        {"kernal": "rbf", "C": -1, "degree": "three", "gamma": "big", "train_subset": 1.5},
    )
    assert problems.keys() == {"kernal", "C", "degree", "gamma", "train_subset"}
    assert "did you mean 'kernel'" in problems["kernal"]
    assert problems["gamma"] == "is 'big', but must be 'scale', 'auto' or a number"
    assert "-1" in problems["C"]


def test_numbers_that_json_cannot_hold_are_a_problem() -> None:
    assert "finite" in problems_of(workload("svm"), {"C": float("nan")})["C"]


def test_true_is_no_number() -> None:
    assert problems_of(workload("svm"), {"degree": True}).keys() == {"degree"}


def test_an_unknown_workload_names_the_known_ones() -> None:
    with pytest.raises(UnknownWorkload, match=r"did you mean 'train'.*package.module:function"):
        workload("trian")


def test_asking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from jobs.hardware import CPU; from jobs.registry import workload\n"
        "for name in ('train', 'svm'): w = workload(name); w.collapse(w.read({}), CPU); "
        "w.check(w.read({}), CPU)\n"
        "print([m for m in ('torch', 'sklearn', 'sklearnex', 'pyarrow', 'ray', 'submitit', "
        "'typer', 'rich') if m in sys.modules])"
    )
    assert (
        subprocess.check_output(
            [sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2]
        ).strip()
        == "[]"
    )


class TestSvm:
    """What cannot act collapses; what contradicts itself is a problem."""

    @pytest.mark.parametrize(
        ("raw", "collapsed"),
        [
            ({"kernel": "rbf", "degree": 4}, {"degree"}),
            (
                {"kernel": "linear", "gamma": 0.1, "coef0": 1.0, "degree": 2},
                {"gamma", "coef0", "degree"},
            ),
            ({"kernel": "poly", "gamma": 0.1, "coef0": 1.0, "degree": 2}, set()),
            ({"kernel": "sigmoid", "coef0": 1.0}, set()),
        ],
    )
    def test_parameters_that_the_kernel_ignores_collapse(
        self, raw: dict[str, Any], collapsed: set[str]
    ) -> None:
        svm = workload("svm")
        params, notes = svm.collapse(svm.read(raw), CPU)
        assert {note.partition(":")[0] for note in notes} == collapsed
        assert svm.canonical(params) == svm.canonical(
            svm.read({key: value for key, value in raw.items() if key not in collapsed})
        )

    @pytest.mark.parametrize(
        ("raw", "named"), [({"split": [0.5, 0.1, 0.1]}, "split"), ({"dataset": "mnits"}, "dataset")]
    )
    def test_contradictions_are_problems(self, raw: dict[str, Any], named: str) -> None:
        svm = workload("svm")
        assert [problem.partition(":")[0] for problem in svm.check(svm.read(raw), CPU)] == [named]
        assert svm.check(svm.read({}), CPU) == []
