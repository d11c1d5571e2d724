"""Parameters that cannot act beside the others: they collapse, so that no two trials compute the
same thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from jobs.hardware import Hardware
from jobs.training.fields import TrainParams

DEFAULT_WEIGHT_DECAY: Final = {"sgd": 0.0, "adam": 0.0, "adamw": 0.01}
"""PyTorch's own, which null stands for."""

Change = tuple[str, Any, str]
"""A field, the value that computes the same, and why the written one does not act; SAME where it is
only spelled out."""

SAME: Final = ""
"""The written value is what the other one stands for: one trial, and nothing to tell the user."""

Rule = Callable[[TrainParams, Hardware], Iterator[Change]]


def collapse(params: TrainParams, there: Hardware) -> tuple[TrainParams, list[str]]:
    """Set every parameter that cannot act to the value that says so.

    Args:
        there: What the trial's target has.

    Returns:
        The parameters, and a note for each that asked for something: "pin_memory: true does not act
        (why)".
    """
    notes: list[str] = []
    for rule in _RULES:
        for field, value, why in rule(params, there):
            written = getattr(params, field)
            if written != value:
                if why != SAME:
                    notes.append(f"{field}: {_spelled(written)} does not act ({why})")
                params = msgspec.structs.replace(params, **{field: value})
    return params, notes


def has_validation(params: TrainParams) -> bool:
    """Return whether the split sets images apart for validation."""
    return params.split != "official" and len(params.split) == 3 and params.split[1] > 0


def is_fused(params: TrainParams) -> bool:
    """Return whether the optimizer's fused implementation is used."""
    return params.foreach is None if params.fused is None else params.fused


def _data(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if params.split == "official" and params.train_subset is None and params.test_subset is None:
        yield "split_seed", 0, "nothing is drawn: the split is the official one, without subsets"


def _model(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if not params.model.startswith("resnet"):
        yield "stem", "cifar", f"{params.model} is not one of torchvision's ResNets"


def _schedule(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if params.schedule in ("cosine", "step") and params.warmup_epochs >= params.epochs:
        yield "schedule", "none", "the only epoch is all warm-up"
    elif params.schedule == "step":
        if params.lr_step_epochs >= params.epochs - params.warmup_epochs:
            yield (
                "schedule",
                "none",
                f"its first step would come after {params.warmup_epochs + params.lr_step_epochs} "
                "epochs",
            )
        elif params.lr_gamma == 1:
            yield "schedule", "none", "lr_gamma is 1"


def _optimization(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if params.schedule == "onecycle":
        yield "momentum", None, "OneCycle moves it between 0.85 and 0.95"
    elif params.optimizer != "sgd":
        yield "momentum", None, f"{params.optimizer} has its own"
    elif params.momentum == 0:
        yield "momentum", None, SAME
    if params.weight_decay == DEFAULT_WEIGHT_DECAY[params.optimizer]:
        yield "weight_decay", None, SAME
    if is_fused(params):
        yield "foreach", None, "the optimizer is fused"
        yield "fused", None, SAME
    else:  # spelled as fused: false, and foreach only where it is not what PyTorch chooses
        yield "fused", False, SAME
        if params.foreach is _on_gpu(params, there):
            yield "foreach", None, SAME
    if params.schedule != "step":
        for field, default in (("lr_step_epochs", 10), ("lr_gamma", 0.1)):
            yield field, default, f"the schedule is {params.schedule}"
    if params.schedule == "onecycle":
        yield "warmup_epochs", 0, "OneCycle warms up by itself"


def _evaluation(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if params.eval_every > params.epochs:
        yield "eval_every", params.epochs, "only the last epoch is evaluated in any case"
    evaluations = -(-params.epochs // params.eval_every)
    if (
        params.patience is not None and params.patience >= evaluations - 1
    ):  # the first is always the best so far
        yield "patience", None, f"{evaluations} evaluations are too few to run out of it"


def _device(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if params.device == ("cuda" if there.gpu else "cpu"):
        yield "device", "auto", SAME
    if _on_gpu(params, there):
        if not params.cudnn:
            yield "cudnn_benchmark", False, "cuDNN is off"
            if params.tf32 is False:
                yield "tf32", None, SAME  # what PyTorch ships has it for cuDNN's convolutions only
        if there.before_ampere:
            yield "tf32", None, f"a {there.model} has none: it began with Ampere"
        elif params.amp != "off" and not _is_own(params.model):
            yield "tf32", None, f"amp is {params.amp}: nothing is multiplied in fp32"
        return
    for field, default in (
        ("cudnn", True),
        ("cudnn_benchmark", False),
        ("tf32", None),
        ("blas", "cublas"),
        ("cuda_graphs", False),
    ):
        yield field, default, "a CPU has none"
    if params.compile == "reduce-overhead":
        yield "compile", "default", "its CUDA graphs need a GPU; the rest of it is compile: default"
    if not _is_own(params.model):
        yield "deterministic", False, "on a CPU these models repeat bit for bit anyway"


def _precision(params: TrainParams, there: Hardware) -> Iterator[Change]:
    if params.amp == "fp16" and params.grad_scaler:
        yield "grad_scaler", None, SAME
    if params.amp != "fp16":
        yield "grad_scaler", None, f"amp is {params.amp}: only fp16 gradients are scaled"


def _feeding(params: TrainParams, there: Hardware) -> Iterator[Change]:
    idle: dict[str, str] = {}
    if params.num_workers == 0:
        idle |= dict.fromkeys(
            ("persistent_workers", "prefetch_factor"), "there are no worker processes"
        )
    elif params.prefetch_factor == 2:
        idle["prefetch_factor"] = SAME
    if not _on_gpu(params, there):
        idle |= dict.fromkeys(("pin_memory", "non_blocking"), "there is no GPU to copy to")
    if params.loader == "resident":
        fields = (
            "num_workers",
            "persistent_workers",
            "prefetch_factor",
            "pin_memory",
            "non_blocking",
        )
        idle |= dict.fromkeys(
            fields, "the resident loader has no worker processes and copies no batches"
        )
    for field, why in idle.items():
        yield field, _DEFAULTS[field], why


def _on_gpu(params: TrainParams, there: Hardware) -> bool:
    return there.gpu and params.device != "cpu"


def _is_own(model: str) -> bool:
    """Whether it is the user's own: nobody knows what that computes."""
    return ":" in model


def _spelled(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_DEFAULTS: Final = msgspec.structs.asdict(TrainParams())
_RULES: Final[tuple[Rule, ...]] = (
    _data,
    _model,
    _schedule,
    _optimization,
    _evaluation,
    _device,
    _precision,
    _feeding,
)
