"""The SVM workload, on real digits: every parameter does what it says, and both engines say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from artifacts.record import Outcome
from jobs.context import Context
from jobs.execute import Expectation, Finished, execute
from jobs.hardware import CPU
from jobs.registry import workload
from jobs.spec import JobSpec
from jobs.svm import Scaling, SvmParams, collapse, run
from jobs.svm_kernels import BLOCK_BYTES, Kernel, predict

KERNELS = ("linear", "poly", "rbf", "sigmoid")
SMALL = {"dataset": "mnist", "train_subset": 1200, "test_subset": 1000}


@pytest.fixture
def fit(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Runs one trial; on MNIST where the real data is there."""

    def fitted(**raw: Any) -> Finished:
        data_dir = request.getfixturevalue("real_data") if raw.get("dataset") == "mnist" else None
        svm = workload("svm")
        spec = JobSpec(workload="svm", target="cpu", seed=0, params=svm.canonical(svm.read(raw)))
        finished = execute(spec, files=tmp_path, data_dir=data_dir, expect=Expectation(cpus=2))
        assert finished.outcome == Outcome.completed, finished.values["traceback"]
        return finished

    return fitted


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf"])
def test_both_engines_agree_to_a_tenth_of_a_point(fit: Any, kernel: str) -> None:
    pytest.importorskip("sklearnex", reason="scikit-learn-intelex does not run on this processor")
    fast, stock = (fit(**SMALL, kernel=kernel, engine=engine).values for engine in ("sklearnex", "sklearn"))
    assert (fast["engine"], stock["engine"]) == ("sklearnex", "sklearn")
    assert abs(fast["test_accuracy"] - stock["test_accuracy"]) <= 0.001
    assert stock["test_accuracy"] > 0.85


def test_more_images_are_worth_it(fit: Any) -> None:
    """10,000 of them reach 95 %; a test has time for fewer."""
    assert fit(dataset="mnist", train_subset=4000, test_subset=2000).values["test_accuracy"] > 0.94


def test_accuracy_is_measured_where_there_is_a_part_and_missing_elsewhere(fit: Any) -> None:
    official, fractions = fit().values, fit(split=[0.7, 0.1, 0.2]).values
    assert official["test_accuracy"] > 0.95
    assert fractions["val_accuracy"] > 0.95
    assert "val_accuracy" not in official
    assert "train_accuracy" not in fractions
    assert fractions["train_s"] > 0
    assert fractions["eval_s"] > 0


def test_auto_says_which_engine_ran(fit: Any) -> None:
    assert fit(kernel="rbf").values["engine"] in ("sklearn", "sklearnex")
    assert fit(kernel="sigmoid").values["engine"] == "sklearn"


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"kernel": "linear"}),
        ({}, {"C": 0.01}),
        ({}, {"gamma": "auto"}),
        ({}, {"gamma": 10.0}),
        ({"kernel": "poly"}, {"degree": 9}),
        ({"kernel": "poly", "gamma": 1e-3}, {"coef0": 5.0}),
        ({"kernel": "sigmoid"}, {"coef0": -3.0}),
        ({"gamma": 0.01}, {"scaling": "none"}),
        ({"gamma": 0.01}, {"scaling": "standard"}),
        ({}, {"train_subset": 40}),
        ({"train_subset": 40}, {"train_subset": 40, "split_seed": 3}),
    ],
)
def test_every_parameter_acts(fit: Any, base: dict[str, Any], change: dict[str, Any]) -> None:
    """The number of right answers changes: 10 of 1,797 would be a coincidence to miss, so each change is a large one."""
    split = {"split": [0.5, 0, 0.5]}
    assert fit(**split, **base).values["test_accuracy"] != fit(**{**split, **base, **change}).values["test_accuracy"]


def test_a_smaller_test_part_is_a_coarser_accuracy(fit: Any) -> None:
    assert fit(test_subset=30).values["test_accuracy"] * 30 == pytest.approx(round(fit(test_subset=30).values["test_accuracy"] * 30))


class TestPredictions:
    """Matrix products give libsvm's own answers."""

    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("classes", [(0, 1), (3, 8), (1, 4, 7), tuple(range(10))])
    @pytest.mark.parametrize("library", ["sklearn", "sklearnex"])
    def test_as_scikit_learn_predicts(self, kernel: Any, classes: tuple[int, ...], library: str) -> None:
        classifier = SVC if library == "sklearn" else pytest.importorskip("sklearnex.svm").SVC
        digits = load_digits()
        chosen = np.isin(digits.target, classes)
        images, labels = (digits.data[chosen] / 16).astype(np.float32), digits.target[chosen] * 10
        half = len(images) // 2
        constants = {"gamma": 0.05, "degree": 3, "coef0": 0.5}
        model = classifier(kernel=kernel, **constants).fit(images[:half].astype(np.float64), labels[:half])
        ours = predict(model, Kernel(kernel, **constants), images[half:])
        assert (ours == model.predict(images[half:].astype(np.float64))).all()
        assert set(ours) <= set(labels)

    def test_in_pieces_as_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        digits = load_digits()
        images = digits.data.astype(np.float32)
        model = SVC(gamma=1e-3).fit(images[:500], digits.target[:500])
        kernel = Kernel("rbf", 1e-3, 3, 0.0)
        whole = predict(model, kernel, images)
        monkeypatch.setattr("jobs.svm_kernels.BLOCK_BYTES", 7 * 4 * len(model.support_vectors_))
        assert 4 * len(images) * len(model.support_vectors_) < BLOCK_BYTES
        assert (predict(model, kernel, images) == whole).all()

    def test_no_images_no_predictions(self) -> None:
        model = SVC().fit(np.eye(2, dtype=np.float32), [0, 1])
        assert predict(model, Kernel("rbf", 1.0, 3, 0.0), np.empty((0, 2), np.float32)).shape == (0,)


class TestScaling:
    """What scales the test part is known from the training part alone."""

    TRAINING = np.array([[0, 10, 255], [0, 30, 255]], np.uint8)

    @pytest.mark.parametrize(("kind", "expected"), [("none", [[51, 40, 0]]), ("unit", [[0.2, 40 / 255, 0]]), ("standard", [[51, 2, -255]])])
    def test_by_hand(self, kind: str, expected: list[list[float]]) -> None:
        scaled = Scaling(kind, self.TRAINING)(np.array([[51, 40, 0]], np.uint8))
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(scaled, expected, rtol=1e-6)


def test_a_seed_that_draws_nothing_collapses() -> None:
    assert collapse(SvmParams(split_seed=3), CPU) == (
        SvmParams(),
        ["split_seed: nothing is drawn: the split is the official one, without subsets"],
    )
    drawn = SvmParams(split_seed=3, train_subset=100)
    assert collapse(drawn, CPU) == (drawn, [])


def test_auto_spelled_out_is_the_same_trial() -> None:
    assert collapse(SvmParams(kernel="sigmoid", engine="sklearn"), CPU) == (SvmParams(kernel="sigmoid"), [])
    assert collapse(SvmParams(engine="sklearn"), CPU) == (SvmParams(engine="sklearn"), [])


def test_it_computes_on_the_cpu_of_any_target(tmp_path: Path) -> None:
    context = Context(files=tmp_path, device="cuda")
    run(SvmParams(train_subset=100), context)
    assert context.device == "cpu"
