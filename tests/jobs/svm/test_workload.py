"""The SVM workload, on real digits: every parameter does what it says, and both engines say the
same."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
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
from jobs.svm import precision
from jobs.svm.kernels import BLOCK_BYTES, Kernel, predict
from jobs.svm.workload import SMALLEST_CACHE_MB, Scaling, SvmParams, collapse, run
from tests.patience import PATIENCE_S

KERNELS = ("linear", "poly", "rbf", "sigmoid")
SMALL = {"dataset": "mnist", "train_subset": 1200, "test_subset": 1000}
HALVES = {"split": [0.5, 0, 0.5]}
NO_SKLEARNEX = "scikit-learn-intelex does not run on this processor"


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


@dataclass
class Stock:
    """scikit-learn's classifier as the workload used it; ``sleeps`` are seconds that a method takes
    longer."""

    sleeps: dict[str, float] = field(default_factory=dict)
    model: Any = None
    images: Any = None
    labels: Any = None


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> Stock:
    """Looks on while a trial with the stock engine runs."""
    seen = Stock()

    class Watched(SVC):  # type: ignore[misc]
        def fit(self, images: Any, labels: Any) -> Any:
            seen.model, seen.images, seen.labels = self, images, labels
            time.sleep(seen.sleeps.get("fit", 0))
            return super().fit(images, labels)

        def predict(self, images: Any) -> Any:
            time.sleep(seen.sleeps.get("predict", 0))
            return super().predict(images)

    monkeypatch.setattr("sklearn.svm.SVC", Watched)
    return seen


@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf"])
def test_both_engines_agree_to_a_tenth_of_a_point(fit: Any, kernel: str) -> None:
    pytest.importorskip("sklearnex", reason=NO_SKLEARNEX)
    fast, stock = (
        fit(**SMALL, kernel=kernel, engine=engine).values for engine in ("sklearnex", "sklearn")
    )
    assert (fast["engine"], stock["engine"]) == ("sklearnex", "sklearn")
    assert abs(fast["test_accuracy"] - stock["test_accuracy"]) <= 0.001
    assert stock["test_accuracy"] > 0.85


@pytest.mark.parametrize(
    "constants",
    [
        {"kernel": "poly", "gamma": 0.005, "degree": 5, "coef0": 1.0},
        {"kernel": "rbf", "gamma": 2.0},
        {"kernel": "sigmoid", "gamma": 0.05, "coef0": -1.0},
    ],
)
def test_both_engines_take_the_same_constants(fit: Any, constants: dict[str, Any]) -> None:
    """Chosen so that another value of any of them in the predictions alone is worth a point or
    more."""
    pytest.importorskip("sklearnex", reason=NO_SKLEARNEX)
    fast, stock = (
        fit(**HALVES, **constants, engine=engine).values["test_accuracy"]
        for engine in ("sklearnex", "sklearn")
    )
    assert abs(fast - stock) < 0.01


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


@pytest.mark.parametrize(
    ("kernel", "engine"),
    [("linear", "sklearnex"), ("poly", "sklearnex"), ("rbf", "sklearnex"), ("sigmoid", "sklearn")],
)
def test_auto_is_the_fast_engine_where_it_finds_the_same_solution(
    fit: Any, kernel: str, engine: str
) -> None:
    pytest.importorskip("sklearnex", reason=NO_SKLEARNEX)
    assert fit(kernel=kernel, train_subset=100).values["engine"] == engine


@pytest.fixture
def dim(tmp_path: Path) -> str:
    """Digits in two shades of almost white."""
    images, labels = load_digits(return_X_y=True)
    path = tmp_path / "dim.npz"
    np.savez(path, images=(254 + (images > 8)).astype(np.uint8).reshape(-1, 8, 8), labels=labels)
    return f"npz:{path}"


@pytest.mark.parametrize(("kernel", "scaling"), [("linear", "none"), ("rbf", "unit")])
def test_bright_images_of_low_contrast_are_told_apart_in_float64(
    fit: Any, dim: str, kernel: str, scaling: str
) -> None:
    """In float32 the linear kernel loses ten points: its values are four million, and differ by a
    dozen."""
    pytest.importorskip("sklearnex", reason=NO_SKLEARNEX)
    how = {"dataset": dim, "split": [0.7, 0, 0.3], "kernel": kernel, "scaling": scaling}
    fast, stock = (fit(**how, engine=engine).values for engine in ("auto", "sklearn"))
    assert fast["engine"] == "sklearnex in float64"
    assert abs(fast["test_accuracy"] - stock["test_accuracy"]) <= 0.004
    assert stock["test_accuracy"] > 0.85


def test_a_kernel_beyond_float32_ends(fit: Any) -> None:
    """In float32 its fit never does, nor hears a signal."""
    pytest.importorskip("sklearnex", reason=NO_SKLEARNEX)
    how = {"kernel": "poly", "degree": 7, "gamma": 1, "scaling": "none"}
    values = fit(dataset="synthetic:1x28x28x10x1500", split=[0.7, 0, 0.3], **how).values
    assert values["engine"] == "sklearnex in float64"
    assert fit(split=[0.7, 0, 0.3], **how).values["test_accuracy"] > 0.9


def test_a_kernel_beyond_every_number_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not finite"):
        run(SvmParams(kernel="poly", degree=40, gamma=1, scaling="none"), Context(files=tmp_path))


@pytest.mark.parametrize("scaling", ["unit", "standard", "none"])
@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf"])
def test_ordinary_images_are_left_in_float32(kernel: Any, scaling: str) -> None:
    images = Scaling(scaling, _pixels(load_digits().images * 15.9))(
        _pixels(load_digits().images * 15.9)
    )
    gamma = 1 / (images.shape[1] * float(images.var()))
    assert precision.needed(Kernel(kernel, gamma, 3, 0.0), images, 1.0) == "float32"


def _pixels(images: Any) -> Any:
    return images.astype(np.uint8).reshape(len(images), -1)


@pytest.mark.parametrize("engine", ["sklearn", "sklearnex"])
def test_a_fit_under_an_alarm_is_the_same(fit: Any, engine: str) -> None:
    if engine == "sklearnex":
        pytest.importorskip("sklearnex", reason=NO_SKLEARNEX)
    plain = fit(engine=engine, **HALVES).values
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        apart = fit(engine=engine, **HALVES).values
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert (apart["test_accuracy"], apart["engine"]) == (plain["test_accuracy"], engine)


def test_an_engine_that_hands_the_fit_over_is_not_the_one_that_ran(
    fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytest.importorskip("sklearnex.svm", reason=NO_SKLEARNEX), "SVC", SVC)
    assert fit(train_subset=100, engine="sklearnex").values["engine"] == "sklearn"


def test_the_fast_engines_own_predictions_are_not_used(
    fit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = pytest.importorskip("sklearnex.svm", reason=NO_SKLEARNEX).SVC
    monkeypatch.setattr(fast, "predict", lambda _model, rows: np.full(len(rows), -1))
    assert fit(engine="sklearnex").values["test_accuracy"] > 0.95


def test_the_fast_engine_computes_with_the_granted_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(
        pytest.importorskip("daal4py", reason=NO_SKLEARNEX), "daalinit", asked.append
    )
    run(SvmParams(train_subset=100), Context(files=tmp_path, threads=3))
    assert asked == [3]


@pytest.mark.parametrize(("slow", "column"), [("fit", "train_s"), ("predict", "eval_s")])
def test_the_fit_is_training_and_the_predictions_evaluation(
    fit: Any, stock: Stock, slow: str, column: str
) -> None:
    stock.sleeps = {slow: 0.3}
    assert fit(train_subset=100, engine="sklearn").values[column] >= 0.3


@pytest.mark.parametrize("gamma", ["scale", "auto"])
@pytest.mark.parametrize("scaling", ["unit", "none"])
def test_gamma_by_name_is_what_scikit_learn_makes_of_it(
    stock: Stock, tmp_path: Path, gamma: Any, scaling: Any
) -> None:
    run(
        SvmParams(gamma=gamma, scaling=scaling, engine="sklearn", train_subset=100),
        Context(files=tmp_path),
    )
    theirs = SVC(gamma=gamma).fit(stock.images.astype(np.float64), stock.labels)._gamma
    assert stock.model.gamma == pytest.approx(theirs, rel=1e-6)


def test_scaling_is_learned_from_the_training_part(stock: Stock, tmp_path: Path) -> None:
    run(
        SvmParams(scaling="standard", split=(0.1, 0.2, 0.7), engine="sklearn"),
        Context(files=tmp_path),
    )
    np.testing.assert_allclose(stock.images.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.unique(stock.images.std(axis=0).round(4)), [0, 1])


@pytest.mark.parametrize(
    ("smallest_mb", "mem_gb", "cache_mb"),
    [
        (SMALLEST_CACHE_MB, 8.0, SVC().cache_size),
        (0.1, 8.0, 400**2 * 4 / 2**20),  # 400 x 400 numbers of 4 bytes
        (0.1, 0.001, 0.256),
        (0.1, 0.0001, 0.1),
    ],
)
def test_the_cache_holds_the_kernel_matrix_where_a_quarter_of_the_memory_does(
    stock: Stock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    smallest_mb: float,
    mem_gb: float,
    cache_mb: float,
) -> None:
    monkeypatch.setattr("jobs.svm.workload.SMALLEST_CACHE_MB", smallest_mb)
    run(SvmParams(train_subset=400, engine="sklearn"), Context(files=tmp_path, mem_gb=mem_gb))
    assert stock.model.cache_size == pytest.approx(cache_mb)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"kernel": "linear"}),
        ({}, {"C": 0.01}),
        ({}, {"gamma": "auto"}),
        ({}, {"gamma": 10.0}),
        ({"engine": "sklearn"}, {"gamma": 10.0}),
        ({"kernel": "poly"}, {"degree": 9}),
        ({"kernel": "poly", "engine": "sklearn"}, {"degree": 9}),
        ({"kernel": "poly", "gamma": 1e-3}, {"coef0": 5.0}),
        ({"kernel": "poly", "gamma": 1e-3, "engine": "sklearn"}, {"coef0": 5.0}),
        ({"kernel": "sigmoid"}, {"coef0": -3.0}),
        ({"gamma": 0.01}, {"scaling": "none"}),
        ({"gamma": 0.01}, {"scaling": "standard"}),
        ({}, {"train_subset": 40}),
        ({"train_subset": 40}, {"train_subset": 40, "split_seed": 3}),
    ],
)
def test_every_parameter_acts(fit: Any, base: dict[str, Any], change: dict[str, Any]) -> None:
    """The number of right answers changes: 10 of 1,797 would be a coincidence to miss, so each
    change is a large one."""
    assert (
        fit(**HALVES, **base).values["test_accuracy"]
        != fit(**{**HALVES, **base, **change}).values["test_accuracy"]
    )


def test_a_smaller_test_part_is_a_coarser_accuracy(fit: Any) -> None:
    assert fit(test_subset=30).values["test_accuracy"] * 30 == pytest.approx(
        round(fit(test_subset=30).values["test_accuracy"] * 30)
    )


class TestPredictions:
    """Matrix products give libsvm's own answers."""

    @pytest.mark.parametrize("kernel", KERNELS)
    @pytest.mark.parametrize("classes", [(0, 1), (3, 8), (1, 4, 7), tuple(range(10))])
    @pytest.mark.parametrize("library", ["sklearn", "sklearnex"])
    def test_as_scikit_learn_predicts(
        self, kernel: Any, classes: tuple[int, ...], library: str
    ) -> None:
        classifier = SVC if library == "sklearn" else pytest.importorskip("sklearnex.svm").SVC
        digits = load_digits()
        chosen = np.isin(digits.target, classes)
        images, labels = (digits.data[chosen] / 16).astype(np.float32), digits.target[chosen] * 10
        half = len(images) // 2
        constants: dict[str, Any] = {"gamma": 0.05, "degree": 3, "coef0": 0.5}
        model = classifier(kernel=kernel, **constants).fit(
            images[:half].astype(np.float64), labels[:half]
        )
        ours = predict(model, Kernel(kernel, **constants), images[half:])
        assert (ours == model.predict(images[half:].astype(np.float64))).all()
        assert set(ours) <= set(labels)

    def test_in_pieces_as_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        digits = load_digits()
        images = digits.data.astype(np.float32)
        model = SVC(gamma=1e-3).fit(images[:500], digits.target[:500])
        kernel = Kernel("rbf", 1e-3, 3, 0.0)
        whole = predict(model, kernel, images)
        monkeypatch.setattr("jobs.svm.kernels.BLOCK_BYTES", 7 * 4 * len(model.support_vectors_))
        assert 4 * len(images) * len(model.support_vectors_) < BLOCK_BYTES
        assert (predict(model, kernel, images) == whole).all()

    def test_no_images_no_predictions(self) -> None:
        model = SVC().fit(np.eye(2, dtype=np.float32), [0, 1])
        assert predict(model, Kernel("rbf", 1.0, 3, 0.0), np.empty((0, 2), np.float32)).shape == (
            0,
        )


class TestScaling:
    """What scales the test part is known from the training part alone."""

    TRAINING = np.array([[0, 10, 255], [0, 30, 255]], np.uint8)

    @pytest.mark.parametrize(
        ("kind", "expected"),
        [("none", [[51, 40, 0]]), ("unit", [[0.2, 40 / 255, 0]]), ("standard", [[51, 2, -255]])],
    )
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
    assert collapse(SvmParams(kernel="sigmoid", engine="sklearn"), CPU) == (
        SvmParams(kernel="sigmoid"),
        [],
    )
    assert collapse(SvmParams(engine="sklearn"), CPU) == (SvmParams(engine="sklearn"), [])


def test_it_computes_on_the_cpu_of_any_target(tmp_path: Path) -> None:
    context = Context(files=tmp_path, device="cuda")
    run(SvmParams(train_subset=100), context)
    assert context.device == "cpu"
