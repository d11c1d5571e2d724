"""The SVM workload: a support vector classifier on the pixels of a data set.

The fit is ``train_s``, the predictions are ``eval_s``. Accuracy on the training split is not taken:
it costs as much as the fit and answers none of the studies' questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jobs.context import Context
from jobs.data.catalog import name_problem
from jobs.data.fractions import problem_of
from jobs.errors import EngineMissing
from jobs.hardware import Hardware

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Floats = NDArray[np.float32] | NDArray[np.float64]

SMALLEST_CACHE_MB = 200.0  # scikit-learn's default

SKLEARN, SKLEARNEX, SKLEARNEX_WIDE = "sklearn", "sklearnex", "sklearnex in float64"
"""What the record's `engine` says of a fit."""

Positive = Annotated[float, Meta(gt=0)]


class SvmParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an SVM trial can be asked for. The defaults never change: trial ids rest on them."""

    dataset: str = "digits"
    """Data set: a name that `runner data prepare` knows, npz:FILE, folder:DIR or
    synthetic:CxHxWxCLASSESxIMAGES."""

    split: Literal["official"] | tuple[float, ...] = "official"
    """`official` (the set's own training and test part, no validation), or three fractions of the
    whole: [train, val, test]."""

    split_seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    """Seed that draws the split and the subsets; the trial's own seed does not.

    Acts with a split of fractions, train_subset or test_subset.
    """

    train_subset: Annotated[int, Meta(ge=1)] | None = None
    """Training images that are kept, stratified; null keeps all."""

    test_subset: Annotated[int, Meta(ge=1)] | None = None
    """Test images that are kept, stratified; null keeps all."""

    scaling: Literal["none", "unit", "standard"] = "unit"
    """`unit` divides the pixels by 255, `standard` gives each mean 0 and deviation 1 over the
    training part, `none` leaves 0 to 255."""

    kernel: Literal["linear", "poly", "rbf", "sigmoid"] = "rbf"
    """Kernel of the support vector classifier."""

    C: Positive = 1.0
    """Inverse strength of the regularization."""

    gamma: Literal["scale", "auto"] | Positive = "scale"
    """`scale` (1 / (n_features * variance)), `auto` (1 / n_features), or a number.

    Acts with kernel: poly, rbf or sigmoid.
    """

    degree: Annotated[int, Meta(ge=1)] = 3
    """Degree of the polynomial.

    Acts with kernel: poly.
    """

    coef0: float = 0.0
    """Constant term.

    Acts with kernel: poly or sigmoid.
    """

    engine: Literal["auto", "sklearn", "sklearnex"] = "auto"
    """`sklearnex` (scikit-learn-intelex), `sklearn`, or `auto`: the first where it runs and finds
    the same solution.

    Acts with every kernel but sigmoid, for which auto is sklearn.
    """


# Which kernels a parameter acts on.
ACTS_ON = {"gamma": ("poly", "rbf", "sigmoid"), "degree": ("poly",), "coef0": ("poly", "sigmoid")}


def problems(params: SvmParams, there: Hardware) -> list[str]:
    """Return what is wrong with values that cannot act together; an SVM runs on the CPU of any
    target."""
    found = {"dataset": name_problem(params.dataset), "split": problem_of(params.split)}
    return [f"{name}: {problem}" for name, problem in found.items() if problem]


def collapse(params: SvmParams, there: Hardware) -> tuple[SvmParams, list[str]]:
    """Return the params with every parameter that its kernel (or split) ignores at its default, and
    why."""
    defaults = SvmParams()
    idle = {
        name: f"acts only with kernel {' or '.join(kernels)}"
        for name, kernels in ACTS_ON.items()
        if params.kernel not in kernels
    }
    if params.split == "official" and params.train_subset is None and params.test_subset is None:
        idle["split_seed"] = "nothing is drawn: the split is the official one, without subsets"
    idle = {
        name: why for name, why in idle.items() if getattr(params, name) != getattr(defaults, name)
    }
    notes = [f"{name}: {why}" for name, why in idle.items()]
    if params.kernel == "sigmoid" and params.engine == "sklearn":
        idle["engine"] = "what auto stands for"
    return msgspec.structs.replace(
        params, **{name: getattr(defaults, name) for name in idle}
    ), notes


def stands_for(params: SvmParams, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what null and auto stood for in a trial that has run, by parameter."""
    return {"train_subset": "all", "test_subset": "all", "engine": record.get("engine")}


def run(params: SvmParams, context: Context) -> None:
    """Fit on the training split, predict the others; the accuracies and the engine go to the
    record."""
    context.device = "cpu"  # whatever the target has
    with context.phase("import"):
        import numpy as np

        from jobs.data import open_dataset
        from jobs.svm import precision
        from jobs.svm.kernels import Kernel, predict
        from jobs.svm.own_process import FitProcess, is_called_for

        classifier, engine = _engine(params, context.threads)
    with context.phase("data"):
        dataset = open_dataset(params.dataset, context.data_dir)
        context.data_digest = dataset.source
        parts = dataset.split(
            params.split,
            seed=params.split_seed,
            train_subset=params.train_subset,
            test_subset=params.test_subset,
        )
        prepare = Scaling(params.scaling, _pixels(dataset.images, parts.train))
        images, labels = prepare(_pixels(dataset.images, parts.train)), dataset.labels[parts.train]
    with context.phase("build"):
        # A number, so that both engines and the predictions below use the same one.
        gamma = _gamma(params.gamma, images.shape[1], float(images.var(dtype=np.float64)))
        kernel = Kernel(params.kernel, gamma, params.degree, params.coef0)
        width = precision.needed(kernel, images, params.C) if engine == SKLEARNEX else "float32"
        if width is None:
            classifier, engine = _sklearn()
        elif width == "float64":
            prepare = Scaling(params.scaling, _pixels(dataset.images, parts.train), width)
            images, engine = prepare(_pixels(dataset.images, parts.train)), SKLEARNEX_WIDE
        constants = {
            "kernel": params.kernel,
            "C": params.C,
            "gamma": gamma,
            "degree": params.degree,
            "coef0": params.coef0,
            "cache_size": _cache_mb(len(images), context.mem_gb),
        }
    if is_called_for():
        with FitProcess(
            "sklearn.svm" if engine == SKLEARN else "sklearnex.svm", context.threads
        ) as process:
            with context.phase("import"):
                process.imported()
            with context.phase("train"):
                model = process.fit(constants, images, labels)
    else:
        with context.phase("train"):
            model = classifier(**constants).fit(images, labels)
    if engine != SKLEARN and not hasattr(model, "_onedal_estimator"):
        engine = SKLEARN  # it hands over what it cannot do itself
    context.note(engine=engine)
    for name, part in (("val_accuracy", parts.val), ("test_accuracy", parts.test)):
        if len(part):
            with context.phase("eval"):
                rows = prepare(_pixels(dataset.images, part))
                predicted = (
                    model.predict(rows) if engine == SKLEARN else predict(model, kernel, rows)
                )
                context.note(**{name: float((predicted == dataset.labels[part]).mean())})


def warm(params: SvmParams, data_dir: Path | None) -> None:
    """Import the engine and map the data before any trial's clock runs."""
    from jobs.data import open_dataset

    _engine(params, 1)
    open_dataset(params.dataset, data_dir)


class Scaling:
    """Scales pixels; what it needs to know it takes from the training split only.

    Args:
        kind: ``none``, ``unit`` or ``standard``.
        training: Pixels of the training split, shape (n, features).
        precision: Of the result.
    """

    def __init__(
        self, kind: str, training: Pixels, precision: Literal["float32", "float64"] = "float32"
    ) -> None:
        self._kind, self._precision = kind, precision
        if kind == "standard":
            deviation = training.std(axis=0, dtype="float64")
            self._mean = training.mean(axis=0, dtype="float64").astype(precision)
            self._deviation = deviation.clip(min=0).astype(precision)
            self._deviation[self._deviation == 0] = 1  # a pixel that never changes stays 0

    def __call__(self, pixels: Pixels) -> Floats:
        """Return floats of the same shape."""
        scaled: Floats = pixels.astype(self._precision)
        if self._kind == "unit":
            scaled /= 255
        elif self._kind == "standard":
            scaled -= self._mean
            scaled /= self._deviation
        return scaled


def _engine(params: SvmParams, threads: int) -> tuple[Any, str]:
    """The classifier and the library that it is from; EngineMissing if that one was asked for and
    does not run here."""
    # The sigmoid kernel is not positive semi-definite: solvers stop at different points, some
    # tenths of a point apart.
    if params.engine == "sklearnex" or (params.engine == "auto" and params.kernel != "sigmoid"):
        try:
            from daal4py import daalinit
            from sklearnex.svm import SVC

            daalinit(threads)  # its own pool: OMP_NUM_THREADS does not reach it
            return SVC, SKLEARNEX
        except (ImportError, OSError, RuntimeError) as error:
            if params.engine == "sklearnex":
                raise EngineMissing("sklearnex", str(error)) from None
    return _sklearn()


def _sklearn() -> tuple[Any, str]:
    from sklearn.svm import SVC

    return SVC, SKLEARN


def _pixels(images: Pixels, part: Any) -> Pixels:
    """Those images as rows of shape (n, height * width * channels)."""
    rows: Pixels = images[part].reshape(len(part), -1)
    return rows


def _gamma(gamma: str | float, n_features: int, variance: float) -> float:
    """scikit-learn's meaning of the word, as a number."""
    if isinstance(gamma, str):
        return 1 / (n_features * (variance or 1.0)) if gamma == "scale" else 1 / n_features
    return gamma


def _cache_mb(n_samples: int, mem_gb: float) -> float:
    """Return the size of the kernel cache in MB (2**20 bytes, as libsvm counts): the whole kernel
    matrix if a quarter of the granted memory holds it."""
    return max(SMALLEST_CACHE_MB, min(n_samples**2 * 4 / 2**20, mem_gb * 1024 / 4))
