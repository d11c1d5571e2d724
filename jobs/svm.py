"""The SVM workload: a support vector classifier on the pixels of a data set.

The fit is ``train_s``, the predictions are ``eval_s``. Accuracy on the training split is not taken: it costs as much as
the fit and answers none of the studies' questions.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from jobs.context import Context
from jobs.data.catalogue import name_problem
from jobs.data.splits import problem_of

Positive = Annotated[float, Meta(gt=0)]


class SvmParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an SVM trial can be asked for. The defaults never change: trial ids rest on them.

    Attributes:
        dataset: A data set of ``runner data``.
        split: ``official`` (the set's own train and test parts, no validation), or fractions of the whole [train, val, test];
            ``auto`` is official where the set has a test part, else [0.7, 0.1, 0.2].
        split_seed: Which shuffle the fractions cut.
        train_subset: Train on this many images, stratified; all of them if null.
        test_subset: Test on this many images, stratified; all of them if null.
        scaling: ``unit`` divides the pixels by 255, ``standard`` gives every pixel mean 0 and deviation 1 over the training
            split, ``none`` leaves 0 to 255.
        kernel: ``linear``, ``poly``, ``rbf`` or ``sigmoid``.
        C: Inverse strength of the regularisation.
        gamma: ``scale`` (1 / (n_features * variance)), ``auto`` (1 / n_features), or a number; not for ``linear``.
        degree: Of ``poly``.
        coef0: Constant term of ``poly`` and ``sigmoid``.
        engine: ``sklearnex`` (scikit-learn-intelex), ``sklearn``, or ``auto``: the first where it runs.
    """

    dataset: str = "digits"
    split: Literal["auto", "official"] | tuple[float, ...] = "auto"
    split_seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    train_subset: Annotated[int, Meta(ge=1)] | None = None
    test_subset: Annotated[int, Meta(ge=1)] | None = None
    scaling: Literal["none", "unit", "standard"] = "unit"
    kernel: Literal["linear", "poly", "rbf", "sigmoid"] = "rbf"
    C: Positive = 1.0
    gamma: Literal["scale", "auto"] | Positive = "scale"
    degree: Annotated[int, Meta(ge=1)] = 3
    coef0: float = 0.0
    engine: Literal["auto", "sklearn", "sklearnex"] = "auto"


# Which kernels a parameter acts on.
ACTS_ON = {"gamma": ("poly", "rbf", "sigmoid"), "degree": ("poly",), "coef0": ("poly", "sigmoid")}


def problems(params: SvmParams, gpu: bool) -> list[str]:
    """What is wrong with values that cannot act together; an SVM runs on the CPU of any target."""
    found = {"dataset": name_problem(params.dataset), "split": None if params.split == "auto" else problem_of(params.split)}
    return [f"{name}: {problem}" for name, problem in found.items() if problem]


def collapse(params: SvmParams, gpu: bool) -> tuple[SvmParams, list[str]]:
    """The params with every parameter that its kernel (or split) ignores at its default, and why."""
    defaults = SvmParams()
    idle = {name: f"acts only with kernel {' or '.join(kernels)}" for name, kernels in ACTS_ON.items() if params.kernel not in kernels}
    idle = {name: why for name, why in idle.items() if getattr(params, name) != getattr(defaults, name)}
    notes = [f"{name}: {why}" for name, why in idle.items()]
    return msgspec.structs.replace(params, **{name: getattr(defaults, name) for name in idle}), notes


def run(params: SvmParams, context: Context) -> None:
    """Fit on the training split, predict the others."""
    raise NotImplementedError
