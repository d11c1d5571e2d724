"""The training workload's parameters, as plans need them: the struct, its contradictions, and what
cannot act.

Nothing here imports torch. A parameter that cannot act collapses to its default, with a note; a
contradiction, where the user would get something else than was asked for, is a problem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from difflib import get_close_matches

from jobs.data.catalog import name_problem
from jobs.data.fractions import problem_of
from jobs.data.weights import ADDRESSES
from jobs.hardware import Hardware
from jobs.training.fields import TrainParams
from jobs.training.idle import collapse, has_validation

__all__ = ["MODELS", "PRETRAINED_MODELS", "TrainParams", "collapse", "problems"]

PRETRAINED_MODELS = tuple(ADDRESSES)
MODELS = ("simple_cnn", "resnet10", *PRETRAINED_MODELS)


def problems(params: TrainParams, there: Hardware) -> list[str]:
    """Return what is wrong with these values, alone or together, each as "parameter: what, and
    how to fix it".

    Args:
        there: What the trial's target has.
    """
    return [
        *_of_data(params),
        *_of_model(params),
        *_of_numbers(params),
        *_of_optimization(params),
        *_of_device(params, there),
    ]


def _of_data(params: TrainParams) -> Iterator[str]:
    if problem := name_problem(params.dataset):
        yield f"dataset: {problem}"
    if problem := problem_of(params.split):
        yield f"split: {problem}"
    elif params.patience is not None and not has_validation(params):
        yield (
            "patience: there is no validation part to watch; give the split one, for example "
            "split: [0.7, 0.1, 0.2]"
        )


def _of_model(params: TrainParams) -> Iterator[str]:
    module, colon, factory = params.model.partition(":")
    if colon:
        if not all(part.isidentifier() for part in (*module.split("."), *factory.split("."))):
            yield f"model: '{params.model}' is not of the form package.module:factory"
    elif params.model not in MODELS:
        near = get_close_matches(params.model, MODELS, n=1)
        hint = f" (did you mean '{near[0]}'?)" if near else ""
        yield (
            f"model: no model '{params.model}'{hint}; there are {', '.join(MODELS)} and "
            "package.module:factory"
        )
    if params.pretrained and params.model not in PRETRAINED_MODELS:
        yield (
            f"pretrained: there are no weights for {params.model}, only for "
            f"{', '.join(PRETRAINED_MODELS)}"
        )


def _of_numbers(params: TrainParams) -> Iterator[str]:
    for name in ("lr", "weight_decay", "lr_gamma"):
        value = getattr(params, name)
        if value is not None and not math.isfinite(value):
            yield f"{name}: {value} is not a finite number"


def _of_optimization(params: TrainParams) -> Iterator[str]:
    if params.fused and params.foreach:
        yield "fused, foreach: an optimizer is one or the other; leave foreach at null"
    if params.schedule != "onecycle" and params.warmup_epochs >= params.epochs > 1:
        yield (
            f"warmup_epochs: {params.warmup_epochs} leaves nothing of {params.epochs} epochs; "
            "give fewer"
        )


def _of_device(params: TrainParams, there: Hardware) -> Iterator[str]:
    if params.device == "cuda" and not there.gpu:
        yield (
            "device: cuda was asked for on a target without a GPU; choose a target that has "
            "one, "
            "or device: auto"
        )
    if params.threads is not None and there.cpus is not None and params.threads > there.cpus:
        asked, given = f"threads: {params.threads}", f"{there.cpus} CPU{'s' * (there.cpus > 1)}"
        yield (
            f"{asked} would take turns on {given}; give the target or the group as many "
            f"(resources: {{cpus: {params.threads}}}), or fewer"
        )
    on_gpu = there.gpu and params.device != "cpu"
    if params.amp == "fp16" and not on_gpu:
        yield (
            "amp: fp16 is emulated on a CPU, many times slower than fp32; give bf16 or off "
            "(where a grid has both targets, exclude it)"
        )
    if params.amp == "bf16" and on_gpu and there.before_ampere:
        yield (
            f"amp: bf16 is emulated on a {there.model}, for it began with Ampere; give fp16 or "
            "off (or exclude it for this target)"
        )
    if params.deterministic and params.cudnn_benchmark and on_gpu:
        yield (
            "deterministic: cudnn_benchmark chooses algorithms with a stopwatch, another one "
            "each time; leave it false"
        )
    if params.cuda_graphs and on_gpu:
        if params.loader != "resident":
            yield "cuda_graphs: needs loader: resident, whose batches are made on the device"
        if params.compile != "off":
            yield (
                "cuda_graphs: torch.compile has its own, compile: reduce-overhead; choose one "
                "of "
                "the two"
            )
        if params.grad_accumulation > 1:
            yield (
                "cuda_graphs: a replayed pass overwrites the gradients; needs grad_accumulation: 1"
            )
